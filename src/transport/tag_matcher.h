// SPDX-License-Identifier: BSD-2-Clause
// The matching list of a tag-matching SRQ: receives that wait for a message with a certain tag, and the phase that says
// whether the program has seen every message that found none. ibv_post_srq_ops(3). Guarded by the lane's lock.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "transport/receive_queue.h"

namespace vb {

class TagMatcher {
 public:
  explicit TagMatcher(uint32_t capacity);

  /// `tag` and `mask` are in host byte order: a message matches when its tag & mask == tag. The handle is that by which
  /// remove() finds the entry. ENOMEM: the list is full. An entry that is added while the program
  /// is behind matches nothing until it has caught up: a message that it has not seen yet may be the one.
  Result<uint32_t> add(const ReceiveWqe& receive, uint64_t tag, uint64_t mask);
  /// False: no such entry; a message has taken it.
  bool remove(uint32_t handle);
  /// The oldest active entry that matches, taken off the list. False: none.
  bool match(uint64_t tag, ReceiveWqe& receive);

  /// A message found no entry and goes to the program as an unexpected one.
  void unexpected() { ++delivered_; }
  /// The program has handled so many unexpected messages, modulo 2^16. Activates everything once that is all of them.
  void synchronize(uint32_t handled);
  bool in_step() const { return static_cast<uint16_t>(delivered_) == static_cast<uint16_t>(handled_); }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Entry {
    ReceiveWqe receive;
    uint64_t tag;
    uint64_t mask;
    uint32_t handle;
    uint32_t next;
    bool active;  ///< added while the program was in step, or in step since
  };

  /// Takes the first entry for which `wanted` holds off the list. nullptr: none.
  template <class Wanted>
  Entry* take(Wanted wanted);

  uint32_t first_ = kNone;  ///< oldest
  uint32_t last_ = kNone;
  uint32_t free_ = kNone;
  uint32_t next_handle_ = 1;
  uint32_t delivered_ = 0;
  uint32_t handled_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace vb
