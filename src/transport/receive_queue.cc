// SPDX-License-Identifier: BSD-2-Clause
#include "transport/receive_queue.h"

#include <algorithm>
#include <bit>
#include <mutex>

namespace vb {

Result<void> ReceiveQueue::open(uint32_t depth, uint32_t max_sge, RingSource* source) {
  source_ = source;
  max_sge_ = max_sge;
  return resize(depth);
}

Result<void> ReceiveQueue::resize(uint32_t depth) {
  uint32_t count = std::bit_ceil(std::max(depth, 1u));
  Ring<Slot> slots = make_ring<Slot>(count, source_);
  Ring<ibv_sge> sges = make_ring<ibv_sge>(size_t{count} * std::max(max_sge_, 1u), source_);
  if (!slots || !sges) return Error{ENOMEM};
  std::lock_guard guard(lock_);
  if (tail_ - head_ > depth) return Error{EINVAL};
  for (uint32_t i = head_; i != tail_; ++i) {
    slots[i & (count - 1)] = slots_[i & mask_];
    std::copy_n(&sges_[size_t{i & mask_} * max_sge_], max_sge_, &sges[size_t{i & (count - 1)} * max_sge_]);
  }
  slots_.swap(slots);  // the old ones go when the lock is free again
  sges_.swap(sges);
  mask_ = count - 1;
  depth_ = depth;
  return {};
}

int ReceiveQueue::post(const ibv_recv_wr& wr) {
  if (wr.num_sge < 0 || static_cast<uint32_t>(wr.num_sge) > max_sge_) return EINVAL;
  std::lock_guard guard(lock_);
  if (tail_ - head_ >= depth_) return ENOMEM;
  uint32_t index = tail_ & mask_;
  slots_[index] = {wr.wr_id, static_cast<uint32_t>(wr.num_sge)};
  std::copy_n(wr.sg_list, wr.num_sge, &sges_[size_t{index} * max_sge_]);
  __atomic_store_n(&tail_, tail_ + 1, __ATOMIC_RELEASE);
  return 0;
}

bool ReceiveQueue::pop(ReceiveWqe& out, bool& limit_reached, uint64_t needed) {
  std::lock_guard guard(lock_);
  if (head_ == tail_ || gate.shuts(head_)) return false;
  uint32_t index = head_ & mask_;
  out.wr_id = slots_[index].wr_id;
  out.sge_count = slots_[index].sge_count;
  std::copy_n(&sges_[size_t{index} * max_sge_], out.sge_count, out.sge);
  uint64_t room = 0;
  for (uint32_t i = 0; i < out.sge_count && needed != 0; ++i) room += out.sge[i].length;
  if (room < needed) return false;
  __atomic_store_n(&head_, head_ + 1, __ATOMIC_RELEASE);
  limit_reached = limit_ != 0 && tail_ - head_ < limit_;
  if (limit_reached) limit_ = 0;
  return true;
}

void ReceiveQueue::arm_limit(uint32_t limit) {
  std::lock_guard guard(lock_);
  limit_ = limit;
}

uint32_t ReceiveQueue::limit() {
  std::lock_guard guard(lock_);
  return limit_;
}

void ReceiveQueue::clear() {
  std::lock_guard guard(lock_);
  __atomic_store_n(&head_, tail_, __ATOMIC_RELEASE);
  gate.restart(tail_);
}

}  // namespace vb
