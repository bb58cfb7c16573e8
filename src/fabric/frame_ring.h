// SPDX-License-Identifier: BSD-2-Clause
// A ring of frames in memory that two processes share: one writes, one reads, neither ever waits for the other, and
// whoever is killed in the middle leaves the other nothing but frames that are whole.
//
// A record is a header and a frame, and begins on a cache line. Its header is written last and says that the record is
// there, so that a small frame crosses with the lines it fills and no other. For that to be safe the line behind a
// record never looks like a header before it is one: the writer clears it first.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace vb::fabric {

/// As it lies in shared memory. All zero: empty.
struct FrameRing {
  static constexpr size_t kLine = 64;
  static constexpr size_t kSize = 64 * 1024;  ///< of the whole
  static constexpr uint32_t kBytes = kSize - kLine;
  static constexpr uint32_t kLargest = 4352 - 8;  ///< frame, bytes: what is left of 68 lines
  static constexpr uint32_t kSkip = UINT32_MAX;   ///< in place of a size: the next record is the first in memory

  struct Header {
    std::atomic<uint32_t> size;  ///< of the frame; 0: not written yet
    uint32_t unused;
  };

  Header& header(uint32_t at) { return *reinterpret_cast<Header*>(&lines[at]); }
  unsigned char* frame(uint32_t at) { return &lines[at + sizeof(Header)]; }
  static constexpr uint32_t record_size(uint32_t frame) {
    return static_cast<uint32_t>((sizeof(Header) + frame + kLine - 1) / kLine * kLine);
  }

  alignas(kLine) std::atomic<uint32_t> read;  ///< where the reader is
  alignas(kLine) std::array<unsigned char, kBytes> lines;
};
static_assert(sizeof(FrameRing) == FrameRing::kSize);

/// The end that writes. One thread at a time.
class FrameWriter {
 public:
  FrameWriter() = default;
  /// The ring is empty: all zero.
  explicit FrameWriter(FrameRing& ring) : ring_(&ring) {}

  /// False: no room now.
  bool write(std::span<const unsigned char> frame) {
    const uint32_t size = FrameRing::record_size(static_cast<uint32_t>(frame.size()));
    if (!ring_) return false;
    uint32_t begin = place(size);
    if (begin == kNone) {
      read_ = ring_->read.load(std::memory_order_acquire);
      begin = place(size);
      if (begin == kNone) return false;
    }
    const uint32_t end = begin + size == FrameRing::kBytes ? 0 : begin + size;
    memcpy(ring_->frame(begin), frame.data(), frame.size());
    ring_->header(end).size.store(0, std::memory_order_relaxed);
    ring_->header(begin).size.store(static_cast<uint32_t>(frame.size()), std::memory_order_release);
    if (begin != at_) ring_->header(at_).size.store(FrameRing::kSkip, std::memory_order_release);
    at_ = end;
    __builtin_prefetch(&ring_->header(end), 1);
    return true;
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  /// Where a record of `size` bytes and the header behind it find room.
  uint32_t place(uint32_t size) const {
    constexpr uint32_t kHead = FrameRing::kLine;
    if (read_ >= FrameRing::kBytes) return kNone;  // nonsense
    if (read_ > at_) return size + kHead <= read_ - at_ ? at_ : kNone;
    const uint32_t rest = FrameRing::kBytes - at_;
    if (size < rest) return at_;
    if (size == rest) return read_ >= kHead ? at_ : kNone;
    return size + kHead <= read_ ? 0 : kNone;
  }

  FrameRing* ring_ = nullptr;
  uint32_t at_ = 0;    ///< the next record
  uint32_t read_ = 0;  ///< where the reader was when we looked last
};

/// The end that reads. One thread at a time. Nothing that lies in the ring is trusted.
class FrameReader {
 public:
  enum class Found { kNothing, kFrame, kNonsense };

  /// The ring is new: its writer may have begun.
  explicit FrameReader(FrameRing& ring) : ring_(&ring) {}

  bool empty() const { return ring_->header(at_).size.load(std::memory_order_acquire) == 0; }

  /// Copies the next frame out, because its writer could change it while it is looked at. Nothing is read any more
  /// behind nonsense.
  Found read(std::span<unsigned char, FrameRing::kLargest> into, uint32_t& size) {
    size = ring_->header(at_).size.load(std::memory_order_acquire);
    if (size == 0) return Found::kNothing;
    if (size == FrameRing::kSkip && at_ != 0) {
      at_ = 0;
      size = ring_->header(0).size.load(std::memory_order_acquire);
    }
    if (size == 0 || size > FrameRing::kLargest || FrameRing::record_size(size) > FrameRing::kBytes - at_)
      return Found::kNonsense;
    memcpy(into.data(), ring_->frame(at_), size);
    at_ += FrameRing::record_size(size);
    if (at_ == FrameRing::kBytes) at_ = 0;
    ring_->read.store(at_, std::memory_order_release);
    return Found::kFrame;
  }

 private:
  FrameRing* ring_;
  uint32_t at_ = 0;
};

}  // namespace vb::fabric
