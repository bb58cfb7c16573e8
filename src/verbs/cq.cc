// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/cq.h"

#include "transport/engine.h"
#include "verbs/async_events.h"
#include "verbs/limits.h"
#include "verbs/placement.h"

namespace vb {

namespace {

constexpr uint64_t kTimestampFlags =
    IBV_WC_EX_WITH_COMPLETION_TIMESTAMP | IBV_WC_EX_WITH_COMPLETION_TIMESTAMP_WALLCLOCK;

constexpr uint32_t kKnownFields = IBV_CQ_INIT_ATTR_MASK_FLAGS | IBV_CQ_INIT_ATTR_MASK_PD;
constexpr uint32_t kKnownOptions = IBV_CREATE_CQ_ATTR_SINGLE_THREADED | IBV_CREATE_CQ_ATTR_IGNORE_OVERRUN;

Result<void> check(const ibv_cq_init_attr_ex& attr) {
  if (attr.cqe < 1 || attr.cqe > static_cast<uint32_t>(kMaxCqe) ||
      attr.comp_vector >= static_cast<uint32_t>(kCompVectors)) {
    return Error{EINVAL};
  }
  if (attr.comp_mask & ~kKnownFields) return Error{EINVAL};  // as adapters' drivers do
  if (attr.wc_flags & ~uint64_t{IBV_CREATE_CQ_SUP_WC_FLAGS}) return Error{EOPNOTSUPP};
  if ((attr.comp_mask & IBV_CQ_INIT_ATTR_MASK_FLAGS) && (attr.flags & ~kKnownOptions)) return Error{EOPNOTSUPP};
  if ((attr.comp_mask & IBV_CQ_INIT_ATTR_MASK_PD) &&
      (!attr.parent_domain || !Pd::from(attr.parent_domain).protection)) {
    return Error{EINVAL};
  }
  return {};
}

void use_channel(CompChannel& channel, int change) {
  pthread_mutex_t& mutex = channel.abi.context->mutex;
  pthread_mutex_lock(&mutex);
  channel.abi.refcnt += change;
  pthread_mutex_unlock(&mutex);
}

}  // namespace

void Cq::Events::completion_event() {
  --engine().lane.armed;
  if (cq.abi.channel) CompChannel::from(cq.abi.channel).events.push(&cq);
}

void Cq::Events::completion_delayed() { engine().lane.delay_event(cq.queue); }

void Cq::Events::overflow() {
  ibv_async_event event{};
  event.event_type = IBV_EVENT_CQ_ERR;
  event.element.cq = reinterpret_cast<ibv_cq*>(&cq.abi);
  Context::from(cq.abi.context).events->push(event);
}

Result<Cq*> create_cq(Context& context, const ibv_cq_init_attr_ex& attr) {
  if (auto fine = check(attr); !fine) return Error{fine.error()};
  if (attr.channel && attr.channel->context->device != context.abi.context.device) return Error{EINVAL};
  uint32_t flags = (attr.comp_mask & IBV_CQ_INIT_ATTR_MASK_FLAGS) ? attr.flags : 0;
  const bool in_domain = attr.comp_mask & IBV_CQ_INIT_ATTR_MASK_PD;
  Pd* parent = in_domain ? &Pd::from(attr.parent_domain) : nullptr;
  auto cq = std::make_unique<Cq>();
  RingSource* source = parent ? parent->source(RingKind::kCompletionQueue) : nullptr;
  const bool stamped = (attr.wc_flags & kTimestampFlags) != 0;
  const bool ignore_overrun = (flags & IBV_CREATE_CQ_ATTR_IGNORE_OVERRUN) != 0;
  auto opened = cq->queue.open({attr.cqe, stamped, ignore_overrun}, &cq->events, source);
  if (!opened) return Error{opened.error()};
  cq->single_threaded = (flags & IBV_CREATE_CQ_ATTR_SINGLE_THREADED) != 0;
  cq->parent_domain = parent;
  if (parent) ++parent->uses;
  cq->wc_flags = attr.wc_flags;
  cq->abi.context = &context.abi.context;
  cq->abi.channel = attr.channel;
  cq->abi.cq_context = attr.cq_context;
  cq->abi.cqe = static_cast<int>(attr.cqe);
  pthread_mutex_init(&cq->abi.mutex, nullptr);
  pthread_cond_init(&cq->abi.cond, nullptr);
  if (attr.channel) use_channel(CompChannel::from(attr.channel), 1);
  cq->node = node_of_vector(attr.comp_vector);
  want_node(cq->node);
  ++context.uses;
  return cq.release();
}

Result<void> destroy_cq(Cq& cq) {
  if (cq.uses.load() != 0 || cq.queue.waits.load() != 0) return Error{EBUSY};
  auto* abi = reinterpret_cast<ibv_cq*>(&cq.abi);
  Context& context = Context::from(cq.abi.context);
  {  // First: afterwards no event comes that was delayed.
    auto guard = engine().lane.hold();
    cq.queue.ListNode<CompletionQueue, OnModerated>::unlink();
    if (cq.queue.armed()) --engine().lane.armed;
  }
  if (cq.abi.channel) {
    CompChannel::from(cq.abi.channel).events.remove([&](Cq* each) { return each == &cq; });
    use_channel(CompChannel::from(cq.abi.channel), -1);
  }
  context.events->remove([&](const ibv_async_event& event) { return AsyncEvents::about(event, abi); });
  wait_for_acks(cq.abi.mutex, cq.abi.cond, cq.abi.comp_events_completed, cq.events_sent);
  wait_for_acks(cq.abi.mutex, cq.abi.cond, cq.abi.async_events_completed, cq.async_sent);
  pthread_mutex_destroy(&cq.abi.mutex);
  pthread_cond_destroy(&cq.abi.cond);
  Pd* parent = cq.parent_domain;
  unwant_node(cq.node);
  delete &cq;
  if (parent) --parent->uses;  // its allocator took the ring back just now
  release(context);
  return {};
}

Result<void> resize_cq(Cq& cq, int cqe) {
  if (cqe < 1 || cqe > kMaxCqe) return Error{EINVAL};
  auto resized = cq.queue.resize(static_cast<uint32_t>(cqe));
  if (resized) cq.abi.cqe = cqe;
  return resized;
}

Result<void> modify_cq(Cq& cq, const ibv_modify_cq_attr& attr) {
  if (attr.attr_mask & ~uint32_t{IBV_CQ_ATTR_MODERATE}) return Error{EINVAL};
  if (attr.attr_mask & IBV_CQ_ATTR_MODERATE) {
    cq.queue.moderate(attr.moderate.cq_count, uint64_t{attr.moderate.cq_period} * 1000);
  }
  return {};
}

namespace {

void fill(ibv_wc& wc, const Cqe& cqe) {
  wc.wr_id = cqe.wr_id;
  wc.status = cqe.status;
  wc.opcode = cqe.opcode;
  wc.vendor_err = cqe.vendor_err;
  wc.byte_len = cqe.byte_len;
  wc.imm_data = cqe.imm;
  wc.qp_num = cqe.qp_num;
  wc.src_qp = cqe.src_qp;
  wc.wc_flags = cqe.wc_flags;
  wc.pkey_index = 0;
  wc.slid = 0;
  wc.sl = cqe.sl;
  wc.dlid_path_bits = 0;
}

/// Up to `limit` completions; makes progress when there are none.
template <class Visit>
int consume(Cq& cq, int limit, Visit visit) {
  Lane& lane = engine().lane;
  if (int count = cq.queue.consume(limit, visit)) {
    lane.found();
    return count;
  }
  lane.progress();
  return cq.queue.consume(limit, visit);
}

}  // namespace

int poll_cq(Cq& cq, int count, ibv_wc* wc) {
  return consume(cq, count, [wc](const Cqe& cqe, int i) { fill(wc[i], cqe); });
}

int poll_cqes(Cq& cq, int count, Cqe* cqes) {
  return consume(cq, count, [cqes](const Cqe& cqe, int i) { cqes[i] = cqe; });
}

int take_cqes(Cq& cq, int limit, bool (*wanted)(const Cqe& cqe), Cqe& last) {
  bool refused = false;
  const auto take = [&](const Cqe& cqe) {
    if (!wanted(cqe)) return !(refused = true);
    last = cqe;
    return true;
  };
  Lane& lane = engine().lane;
  int count = cq.queue.consume_while(limit, take);
  if (count != 0) {
    lane.found();
  } else if (!refused) {
    lane.progress();
    count = cq.queue.consume_while(limit, take);
  }
  return count == 0 && refused ? -1 : count;
}

void req_notify_cq(Cq& cq, bool solicited_only) {
  if (cq.queue.arm(solicited_only)) ++engine().lane.armed;
}

int start_poll(Cq& cq) {
  if (!cq.single_threaded) cq.polling.lock();
  int status = next_poll(cq);
  if (status != 0) end_poll(cq);
  return status;
}

int next_poll(Cq& cq) {
  int count = consume(cq, 1, [&cq](const Cqe& cqe, int) { cq.current = cqe; });
  if (count == 0) return ENOENT;
  cq.abi.wr_id = cq.current.wr_id;
  cq.abi.status = cq.current.status;
  return 0;
}

void end_poll(Cq& cq) {
  if (!cq.single_threaded) cq.polling.unlock();
}

}  // namespace vb
