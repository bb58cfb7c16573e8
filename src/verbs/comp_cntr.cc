// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/comp_cntr.h"

#include "transport/engine.h"
#include "verbs/limits.h"

namespace vb {
namespace {

constexpr uint32_t kAllOperations = (1u << kCountedOperations) - 1;
static_assert(IBV_QP_ATTACH_COMP_CNTR_OP_REMOTE_RDMA_WRITE == 1 << static_cast<int>(Counted::kRemoteWrite) &&
              IBV_QP_ATTACH_COMP_CNTR_OP_RDMA_READ == 1 << static_cast<int>(Counted::kRead));

std::atomic<uint32_t> alive{0};

bool has(uint32_t mask, size_t operation) { return (mask >> operation & 1) != 0; }

void progress() {
  if (engine_started()) engine().lane.progress();
}

}  // namespace

ibv_comp_cntr_caps comp_cntr_caps() { return {~uint64_t{0}, kMaxCompCntr, kAllOperations}; }

Result<CompCntr*> create_comp_cntr(Context& context, const ibv_comp_cntr_init_attr& attr) {
  if (attr.comp_mask != 0) return Error{EOPNOTSUPP};
  if (attr.flags != 0) return Error{EINVAL};
  if (attr.type != IBV_COMP_CNTR_TYPE_WRS && attr.type != IBV_COMP_CNTR_TYPE_BYTES) return Error{EOPNOTSUPP};
  auto counter = std::make_unique<CompCntr>();
  if (alive.fetch_add(1) >= kMaxCompCntr) {
    --alive;
    return Error{ENOMEM};
  }
  static std::atomic<uint32_t> next{1};
  counter->abi.context = &context.abi.context;
  counter->abi.handle = next++;
  counter->counter.bytes = attr.type == IBV_COMP_CNTR_TYPE_BYTES;
  ++context.uses;
  return counter.release();
}

Result<void> destroy_comp_cntr(CompCntr& counter) {
  if (counter.uses.load() != 0) return Error{EBUSY};
  Context& context = Context::from(counter.abi.context);
  delete &counter;
  --alive;
  release(context);
  return {};
}

uint64_t read_comp_cntr(CompCntr& counter) {
  progress();
  return counter.counter.completed.load(std::memory_order_acquire);
}

uint64_t read_err_comp_cntr(CompCntr& counter) {
  progress();
  return counter.counter.failed.load(std::memory_order_acquire);
}

Result<void> attach_comp_cntr(Qp& qp, CompCntr& counter, const ibv_qp_attach_comp_cntr_attr& attr) {
  if (attr.comp_mask != 0 || (attr.op_mask & ~kAllOperations)) return Error{EOPNOTSUPP};
  if (attr.op_mask == 0 || counter.abi.context != qp.abi.qp_base.context) return Error{EINVAL};
  auto guard = engine().lane.hold();
  const ibv_qp_state state = qp.transport.state();
  if (state != IBV_QPS_RESET && state != IBV_QPS_INIT) return Error{EINVAL};
  if (!qp.transport.counters) qp.transport.counters = std::make_unique<AttachedCounters>();
  auto& slots = qp.transport.counters->of;
  for (size_t i = 0; i < slots.size(); ++i) {
    if (has(attr.op_mask, i) && slots[i]) return Error{EBUSY};
  }
  (qp.real ? *qp.real : qp).counters.push_back(&counter);
  ++counter.uses;
  for (size_t i = 0; i < slots.size(); ++i) {
    if (has(attr.op_mask, i)) slots[i] = &counter.counter;
  }
  return {};
}

void detach_comp_cntrs(Qp& qp) {
  for (CompCntr* counter : qp.counters) --counter->uses;
}

}  // namespace vb
