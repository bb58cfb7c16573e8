// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/srq.h"

#include "transport/engine.h"
#include "verbs/async_events.h"
#include "verbs/limits.h"

namespace vb {

namespace {

bool allowed(const ibv_srq_attr& attr) {
  return attr.max_wr >= 1 && attr.max_wr <= static_cast<uint32_t>(kMaxSrqWr) &&
         attr.max_sge <= static_cast<uint32_t>(kMaxSrqSge);
}

Result<Srq*> make(Pd& pd, void* srq_context, ibv_srq_attr& attr) {
  if (!allowed(attr)) return Error{EINVAL};
  auto srq = std::make_unique<Srq>();
  if (auto opened = srq->queue.open(attr.max_wr, std::max(attr.max_sge, 1u), pd.source(RingKind::kSharedReceiveQueue));
      !opened)
    return Error{opened.error()};
  static std::atomic<uint32_t> numbers{1};
  srq->number = numbers++ & 0xffffff;
  srq->abi.context = pd.abi.context;
  srq->abi.srq_context = srq_context;
  srq->abi.pd = &pd.abi;
  srq->abi.handle = srq->number;
  pthread_mutex_init(&srq->abi.mutex, nullptr);
  pthread_cond_init(&srq->abi.cond, nullptr);
  attr.max_sge = srq->queue.max_sge();
  ++pd.uses;
  return srq.release();
}

}  // namespace

Result<Srq*> create_srq(Pd& pd, ibv_srq_init_attr& attr) { return make(pd, attr.srq_context, attr.attr); }

Result<Srq*> create_srq_ex(Context&, ibv_srq_init_attr_ex& attr) {
  if ((attr.comp_mask & IBV_SRQ_INIT_ATTR_TYPE) && attr.srq_type != IBV_SRQT_BASIC) return Error{EOPNOTSUPP};
  if (!(attr.comp_mask & IBV_SRQ_INIT_ATTR_PD) || !attr.pd) return Error{EINVAL};
  return make(Pd::from(attr.pd), attr.srq_context, attr.attr);
}

Result<void> modify_srq(Srq& srq, const ibv_srq_attr& attr, int mask) {
  if (mask & ~(IBV_SRQ_MAX_WR | IBV_SRQ_LIMIT)) return Error{EINVAL};
  uint32_t depth = (mask & IBV_SRQ_MAX_WR) ? attr.max_wr : srq.queue.depth();
  if (depth < 1 || depth > static_cast<uint32_t>(kMaxSrqWr)) return Error{EINVAL};
  if ((mask & IBV_SRQ_LIMIT) && attr.srq_limit > depth) return Error{EINVAL};
  if (mask & IBV_SRQ_MAX_WR) {
    auto resized = srq.queue.resize(depth);
    if (!resized) return resized;
  }
  if (mask & IBV_SRQ_LIMIT) srq.queue.arm_limit(attr.srq_limit);
  return {};
}

Result<void> query_srq(Srq& srq, ibv_srq_attr& attr) {
  attr.max_wr = srq.queue.depth();
  attr.max_sge = srq.queue.max_sge();
  attr.srq_limit = srq.queue.limit();
  return {};
}

Result<void> destroy_srq(Srq& srq) {
  if (srq.uses.load() != 0) return Error{EBUSY};
  Context::from(srq.abi.context).events->remove([&](const ibv_async_event& event) {
    return AsyncEvents::about(event, &srq.abi);
  });
  wait_for_acks(srq.abi.mutex, srq.abi.cond, srq.abi.events_completed, srq.async_sent);
  pthread_mutex_destroy(&srq.abi.mutex);
  pthread_cond_destroy(&srq.abi.cond);
  Pd& pd = Pd::from(srq.abi.pd);
  delete &srq;
  --pd.uses;
  return {};
}

int post_srq_recv(Srq& srq, ibv_recv_wr* wr, ibv_recv_wr** bad_wr) {
  for (; wr; wr = wr->next) {
    int error = srq.queue.post(*wr);
    if (error == 0) continue;
    *bad_wr = wr;
    return error;
  }
  return 0;
}

}  // namespace vb
