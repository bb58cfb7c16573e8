// SPDX-License-Identifier: BSD-2-Clause
// Which pages were good for something once: a bounded table that forgets. Any thread, without a lock: who writes a word
// while another does may lose a note, never make one up.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace vb {

class PageNotes {
 public:
  static constexpr size_t kPageShift = 12;  ///< the smallest page: larger ones are several

  /// The pages of [at, at+size); size is not 0.
  struct Pages {
    Pages(const void* at, size_t size)
        : first(reinterpret_cast<uintptr_t>(at) >> kPageShift),
          last((reinterpret_cast<uintptr_t>(at) + size - 1) >> kPageShift) {}
    uint64_t first, last;
  };

  bool has(const Pages& pages) const {
    return each_block(pages, [this](uint64_t block, uint64_t bits) {
      const uint64_t word = words_[block % kBlocks].load(std::memory_order_relaxed);
      return word >> kBits == block && (word & bits) == bits;
    });
  }
  bool has(uint64_t page) const {
    const uint64_t word = words_[page / kBits % kBlocks].load(std::memory_order_relaxed);
    return word >> kBits == page / kBits && (word >> page % kBits & 1) != 0;
  }
  void add(const Pages& pages) {
    each_block(pages, [this](uint64_t block, uint64_t bits) {
      std::atomic<uint64_t>& word = words_[block % kBlocks];
      const uint64_t old = word.load(std::memory_order_relaxed);
      const uint64_t fresh = (old >> kBits == block ? old : block << kBits) | bits;
      if (fresh != old) word.store(fresh, std::memory_order_relaxed);
      return true;
    });
  }
  void remove(const Pages& pages) {
    const uint64_t first = pages.first / kBits, last = pages.last / kBits;
    for (std::atomic<uint64_t>& word : words_) {
      const uint64_t block = word.load(std::memory_order_relaxed) >> kBits;
      if (block >= first && block <= last) word.store(0, std::memory_order_relaxed);
    }
  }

 private:
  static constexpr uint64_t kBits = 16;     ///< pages in a block
  static constexpr size_t kBlocks = 16384;  ///< 1 GiB of small pages

  static uint64_t bits_of(uint64_t low, uint64_t high) { return (uint64_t{2} << high) - (uint64_t{1} << low); }
  /// False: one is false, or there are more than the table holds.
  template <class Do>
  static bool each_block(const Pages& pages, Do each) {
    const uint64_t first = pages.first / kBits, last = pages.last / kBits;
    if (first == last) [[likely]]
      return each(first, bits_of(pages.first % kBits, pages.last % kBits));
    if (last - first >= kBlocks) return false;
    for (uint64_t block = first; block <= last; ++block) {
      const uint64_t low = block == first ? pages.first % kBits : 0;
      const uint64_t high = block == last ? pages.last % kBits : kBits - 1;
      if (!each(block, bits_of(low, high))) return false;
    }
    return true;
  }

  /// By the lower bits of its number, one block each: the number, and a bit for each page.
  std::array<std::atomic<uint64_t>, kBlocks> words_{};
};

}  // namespace vb
