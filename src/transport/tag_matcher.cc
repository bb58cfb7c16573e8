// SPDX-License-Identifier: BSD-2-Clause
#include "transport/tag_matcher.h"

#include <cerrno>
#include <utility>

namespace vb {

TagMatcher::TagMatcher(uint32_t capacity) : entries_(capacity) {
  for (uint32_t i = capacity; i-- > 0;) entries_[i].next = std::exchange(free_, i);
}

Result<uint32_t> TagMatcher::add(const ReceiveWqe& receive, uint64_t tag, uint64_t mask) {
  if (free_ == kNone) return Error{ENOMEM};
  uint32_t index = free_;
  Entry& entry = entries_[index];
  free_ = entry.next;
  entry = {receive, tag, mask, next_handle_, kNone, in_step()};
  (last_ == kNone ? first_ : entries_[last_].next) = index;
  last_ = index;
  return next_handle_++;
}

template <class Wanted>
TagMatcher::Entry* TagMatcher::take(Wanted wanted) {
  uint32_t previous = kNone;
  for (uint32_t index = first_; index != kNone; previous = index, index = entries_[index].next) {
    Entry& entry = entries_[index];
    if (!wanted(entry)) continue;
    (previous == kNone ? first_ : entries_[previous].next) = entry.next;
    if (last_ == index) last_ = previous;
    entry.next = std::exchange(free_, index);
    return &entry;
  }
  return nullptr;
}

bool TagMatcher::remove(uint32_t handle) {
  return take([handle](const Entry& entry) { return entry.handle == handle; }) != nullptr;
}

bool TagMatcher::match(uint64_t tag, ReceiveWqe& receive) {
  Entry* entry = take([tag](const Entry& each) { return each.active && (tag & each.mask) == each.tag; });
  if (entry) receive = entry->receive;
  return entry != nullptr;
}

void TagMatcher::synchronize(uint32_t handled) {
  handled_ = handled;
  if (!in_step()) return;
  for (uint32_t index = first_; index != kNone; index = entries_[index].next) entries_[index].active = true;
}

}  // namespace vb
