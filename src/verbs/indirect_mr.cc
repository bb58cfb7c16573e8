// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/indirect_mr.h"

#include "verbs/post.h"

namespace vb {

namespace {

constexpr unsigned kAccess = kLocalWrite | kRemoteWrite | kRemoteRead | kRemoteAtomic;

/// Queue pairs that a requester works, but for those that turn from target to target.
bool takes_local(const Qp& qp) {
  return qp.init.qp_type == IBV_QPT_RC || qp.init.qp_type == IBV_QPT_UC || qp.init.qp_type == IBV_QPT_XRC_SEND;
}

/// Whether all that the layout names, and its own addresses, can be counted in 64 bits.
bool is_countable(const IndirectFill& fill) {
  uint64_t cycle = 0, length = 0, end;
  for (const IndirectLayout::Block& block : fill.layout.blocks) {
    if (__builtin_add_overflow(cycle, block.length, &cycle)) return false;
  }
  return !__builtin_mul_overflow(cycle, fill.layout.repeats, &length) &&
         !__builtin_add_overflow(fill.iova, length, &end);
}

}  // namespace

Result<Mr*> create_indirect_mr(Pd& pd, uint32_t blocks) {
  if (blocks == 0 || blocks > kMaxIndirectBlocks) return Error{EINVAL};
  auto region = std::make_unique<MemoryRegion>();
  region->may_fault = region->on_demand = true;
  region->layout = std::make_unique<IndirectLayout>();
  auto mr = enter_region(pd, std::move(region));
  if (mr) (*mr)->most_pieces = blocks;
  return mr;
}

int put_fill(Qp& qp, SendWqe& wqe, const ibv_send_wr& head, Mr& mr, std::unique_ptr<IndirectFill> fill) {
  const size_t blocks = fill->layout.blocks.size();
  if (mr.most_pieces == 0 || blocks > mr.most_pieces) return EINVAL;
  if (Pd::from(mr.abi.pd).domain != qp.transport.config.pd) return EINVAL;
  if ((fill->access & ~kAccess) || !access_fits(fill->access) || !is_countable(*fill)) return EINVAL;
  if (const int error = put_local(qp, wqe, head, blocks ? kFillOpcode : kUnfillOpcode)) return error;
  fill->key = mr.abi.lkey;
  qp.transport.send_queue.fill(wqe) = std::move(fill);
  return 0;
}

int put_local(Qp& qp, SendWqe& wqe, const ibv_send_wr& head, uint8_t opcode) {
  if (!takes_local(qp)) return EINVAL;
  wqe.wr_id = head.wr_id;
  wqe.opcode = opcode;
  wqe.flags = static_cast<uint8_t>(head.send_flags & ~IBV_SEND_INLINE);
  wqe.sge_count = 0;
  wqe.length = 0;
  return 0;
}

}  // namespace vb
