// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/wq.h"

#include <memory>

#include "base/log.h"
#include "transport/engine.h"
#include "verbs/async_events.h"
#include "verbs/limits.h"

namespace vb {
namespace {

constexpr uint32_t kKnownFlags = IBV_WQ_FLAGS_CVLAN_STRIPPING | IBV_WQ_FLAGS_DELAY_DROP;

Result<void> check_flags(uint32_t flags) {
  if ((flags & ~kKnownFlags) == 0) return {};
  static std::atomic<bool> told{false};
  log_once(told, LogLevel::warn,
           "of the flags of work queues only CVLAN_STRIPPING and DELAY_DROP are supported (EOPNOTSUPP)");
  return Error{EOPNOTSUPP};
}

Result<void> check(const Context& context, const ibv_wq_init_attr& attr) {
  if (attr.comp_mask & ~uint32_t{IBV_WQ_INIT_ATTR_FLAGS}) return Error{EINVAL};
  const ibv_context* mine = &context.abi.context;
  const bool fits = attr.max_wr >= 1 && attr.max_wr <= static_cast<uint32_t>(kMaxQpWr) &&
                    attr.max_sge <= static_cast<uint32_t>(kMaxSge);
  if (attr.wq_type != IBV_WQT_RQ || !fits || !attr.pd || !attr.cq) return Error{EINVAL};
  if (attr.pd->context != mine || attr.cq->context != mine) return Error{EINVAL};
  return attr.comp_mask & IBV_WQ_INIT_ATTR_FLAGS ? check_flags(attr.create_flags) : Result<void>();
}

bool may_change(ibv_wq_state from, ibv_wq_state to) {
  return to == IBV_WQS_RESET || to == IBV_WQS_ERR || (from == IBV_WQS_RESET && to == IBV_WQS_RDY) || from == to;
}

/// Lane's lock held.
void enter(Wq& wq, ibv_wq_state to) {
  wq.state.store(to);
  wq.abi.state = to;
  if (to == IBV_WQS_ERR) wq.receiver.flush();
  if (to != IBV_WQS_RESET) return;
  wq.queue.clear();
  wq.receiver.forget();
}

void adopt_flags(Wq& wq) {
  wq.receiver.config.strips_vlan = (wq.flags & IBV_WQ_FLAGS_CVLAN_STRIPPING) != 0;
  wq.receiver.config.delays_drop = (wq.flags & IBV_WQ_FLAGS_DELAY_DROP) != 0;
}

}  // namespace

void Wq::Owner::receive_failed() {
  enter(wq, IBV_WQS_ERR);
  ibv_async_event event{};
  event.event_type = IBV_EVENT_WQ_FATAL;
  event.element.wq = &wq.abi;
  Context::from(wq.abi.context).events->push(event);
}

Result<Wq*> create_wq(Context& context, ibv_wq_init_attr& attr) {
  if (auto fine = check(context, attr); !fine) return Error{fine.error()};
  if (auto running = start_engine(); !running) return Error{running.error()};
  auto wq = std::make_unique<Wq>();
  Pd& pd = Pd::from(attr.pd);
  attr.max_sge = std::max(attr.max_sge, 1u);
  auto opened = wq->queue.open(attr.max_wr, attr.max_sge, pd.source(RingKind::kReceiveQueue));
  if (!opened) return Error{opened.error()};
  static std::atomic<uint32_t> numbers{1};
  ibv_wq& abi = wq->abi;
  abi.context = &context.abi.context;
  abi.wq_context = attr.wq_context;
  abi.pd = attr.pd;
  abi.cq = attr.cq;
  abi.wq_num = abi.handle = numbers++ & 0xffffff;
  abi.state = IBV_WQS_RESET;
  abi.wq_type = attr.wq_type;
  Cq& cq = Cq::from(attr.cq);
  wq->receiver.config = {&engine().lane, &wq->owner, &wq->queue, &cq.queue, pd.domain, abi.wq_num};
  wq->flags = attr.comp_mask & IBV_WQ_INIT_ATTR_FLAGS ? attr.create_flags : 0;
  adopt_flags(*wq);
  ++pd.uses;
  ++cq.uses;
  return wq.release();
}

Result<void> modify_wq(Wq& wq, const ibv_wq_attr& attr) {
  constexpr uint32_t kKnown = IBV_WQ_ATTR_STATE | IBV_WQ_ATTR_CURR_STATE | IBV_WQ_ATTR_FLAGS;
  if (attr.attr_mask & ~kKnown) return Error{EINVAL};
  auto guard = engine().lane.hold();
  const ibv_wq_state from = wq.state.load();
  if ((attr.attr_mask & IBV_WQ_ATTR_CURR_STATE) && attr.curr_wq_state != from) return Error{EINVAL};
  const ibv_wq_state to = attr.attr_mask & IBV_WQ_ATTR_STATE ? attr.wq_state : from;
  if (to > IBV_WQS_ERR || !may_change(from, to)) return Error{EINVAL};
  if (attr.attr_mask & IBV_WQ_ATTR_FLAGS) {
    if (auto fine = check_flags(attr.flags_mask); !fine) return fine;
    wq.flags = (wq.flags & ~attr.flags_mask) | (attr.flags & attr.flags_mask);
    adopt_flags(wq);
  }
  if (to != from) enter(wq, to);
  return {};
}

Result<void> destroy_wq(Wq& wq) {
  if (wq.uses.load() != 0) return Error{EBUSY};
  ibv_wq& abi = wq.abi;
  Context::from(abi.context).events->remove([&](const ibv_async_event& event) {
    return AsyncEvents::about(event, &abi);
  });
  wait_for_acks(abi.mutex, abi.cond, abi.events_completed, wq.async_sent);
  Pd& pd = Pd::from(abi.pd);
  --Cq::from(abi.cq).uses;
  delete &wq;
  --pd.uses;
  return {};
}

int post_wq_recv(Wq& wq, ibv_recv_wr* wr, ibv_recv_wr** bad_wr) {
  int error = wq.state.load() == IBV_WQS_RESET ? EINVAL : 0;
  for (; wr && error == 0; wr = error ? wr : wr->next) error = wq.queue.post(*wr);
  if (error) *bad_wr = wr;
  if (wq.state.load() == IBV_WQS_ERR) {
    auto guard = engine().lane.hold();
    wq.receiver.flush();
  } else if (wq.receiver.is_behind()) {
    auto guard = engine().lane.hold();
    wq.receiver.catch_up();
  }
  return error;
}

}  // namespace vb
