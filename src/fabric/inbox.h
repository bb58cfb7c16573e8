// SPDX-License-Identifier: BSD-2-Clause
// Frames between the processes of one host: each process has an inbox, a file without a name that its peers map, with a
// ring of frames for each of them. What is killed leaves nothing behind that had to be removed.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "fabric/endpoint.h"
#include "fabric/frame_ring.h"

namespace vb::fabric {

/// What a peer must know to find an inbox.
struct InboxAddress {
  int32_t process;
  int32_t fd;       ///< in that process
  uint64_t secret;  ///< proves that the file is the one meant
};

/// A mapping of an inbox. Most of it is never touched, and takes no memory.
class InboxMapping {
 public:
  static constexpr size_t kRings = 1024;  ///< the first one's place holds the header
  static constexpr size_t kSize = kRings * FrameRing::kSize;

  enum State : uint32_t { kFree, kTaken, kLeft };

  /// In one word: what is taken has a writer at once, who may be killed next, and is never taken for the one before.
  struct alignas(8) Holder {
    uint32_t state;  ///< of State: who writes takes it, and leaves it
    int32_t writer;  ///< its process
  };
  using Entry = std::atomic<Holder>;
  static_assert(Entry::is_always_lock_free);
  struct Header {
    uint64_t secret;
    std::atomic<uint32_t> changes;  ///< counts rings that were taken or left
    std::array<Entry, kRings> entries;
  };
  static_assert(sizeof(Header) <= FrameRing::kSize);

  InboxMapping() = default;
  explicit InboxMapping(int fd);
  InboxMapping(InboxMapping&& other) noexcept : base_(std::exchange(other.base_, nullptr)) {}
  InboxMapping& operator=(InboxMapping&& other) noexcept {
    std::swap(base_, other.base_);
    return *this;
  }
  ~InboxMapping();

  explicit operator bool() const { return base_ != nullptr; }
  Header& header() const { return *reinterpret_cast<Header*>(base_); }
  FrameRing& ring(size_t number) const { return *reinterpret_cast<FrameRing*>(base_ + number * FrameRing::kSize); }

 private:
  unsigned char* base_ = nullptr;
};

/// This process's own. Not thread safe.
class Inbox {
 public:
  Result<void> open();
  InboxAddress address() const;
  /// Hands over what has come, up to a limit; returns how much.
  size_t poll(Sink& sink);
  /// Whether nothing has come.
  bool empty();
  /// The process may be dead, or run another program: when that is so, its ring is free again once it is read.
  void writer_left(pid_t process);

  uint64_t rejected() const { return rejected_; }

 private:
  struct Ring {
    uint32_t number;
    FrameReader reader;
    bool shut = false;  ///< nonsense has come: it is not read any more
    bool empty() const { return shut || reader.empty(); }
  };

  void look_again();
  size_t poll(Ring& ring, Sink& sink);
  void end_gone_writers();
  void shut(Ring& ring);
  bool free_if_left(Ring& ring);
  void free(uint32_t number);

  Fd fd_;
  InboxMapping mapping_;
  uint32_t seen_changes_ = 0;
  bool leaving_ = false;     ///< a ring that was left is still to be read
  std::vector<Ring> rings_;  ///< those that are taken
  std::vector<pid_t> gone_;  ///< processes that may still be about to end
  uint64_t rejected_ = 0;
  std::array<unsigned char, FrameRing::kLargest> frame_;
};

/// A ring in a peer's inbox, ours to write from its making to its end.
class Outbox {
 public:
  Outbox() = default;
  Outbox(Outbox&& other) noexcept { *this = std::move(other); }
  Outbox& operator=(Outbox&& other) noexcept {
    std::swap(mapping_, other.mapping_);
    std::swap(entry_, other.entry_);
    std::swap(writer_, other.writer_);
    return *this;
  }
  ~Outbox();

  /// Errors: ESTALE it is not that process's inbox, ENOSPC all its rings are taken, ENOMEM.
  Result<void> open(const InboxAddress& address);
  /// False: no room now.
  bool write(std::span<const unsigned char> frame) { return writer_.write(frame); }

 private:
  InboxMapping mapping_;
  InboxMapping::Entry* entry_ = nullptr;
  FrameWriter writer_;
};

}  // namespace vb::fabric
