// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/srq.h"

#include <algorithm>

#include "transport/engine.h"
#include "verbs/async_events.h"
#include "verbs/cq.h"
#include "verbs/device_registry.h"
#include "verbs/limits.h"
#include "verbs/xrcd.h"

namespace vb {

namespace {

constexpr uint32_t kKnownFields = IBV_SRQ_INIT_ATTR_TYPE | IBV_SRQ_INIT_ATTR_PD | IBV_SRQ_INIT_ATTR_XRCD |
                                  IBV_SRQ_INIT_ATTR_CQ | IBV_SRQ_INIT_ATTR_TM;

bool allowed(const ibv_srq_attr& attr) {
  return attr.max_wr >= 1 && attr.max_wr <= static_cast<uint32_t>(kMaxSrqWr) &&
         attr.max_sge <= static_cast<uint32_t>(kMaxSrqSge);
}

/// The fields that a kind needs, beside the PD.
uint32_t needs(ibv_srq_type type) {
  switch (type) {
    case IBV_SRQT_XRC: return IBV_SRQ_INIT_ATTR_XRCD | IBV_SRQ_INIT_ATTR_CQ;
    case IBV_SRQT_TM: return IBV_SRQ_INIT_ATTR_CQ | IBV_SRQ_INIT_ATTR_TM;
    default: return 0;
  }
}

Result<void> check(const ibv_srq_init_attr_ex& attr, ibv_srq_type type) {
  if ((attr.comp_mask & ~kKnownFields) || type > IBV_SRQT_TM) return Error{EOPNOTSUPP};
  uint32_t needed = needs(type) | IBV_SRQ_INIT_ATTR_PD;
  bool given = (attr.comp_mask & needed) == needed && attr.pd;
  if ((needed & IBV_SRQ_INIT_ATTR_CQ) && !attr.cq) given = false;
  if ((needed & IBV_SRQ_INIT_ATTR_XRCD) && !attr.xrcd) given = false;
  bool list = type == IBV_SRQT_TM;
  if (list && (attr.tm_cap.max_num_tags < 1 || attr.tm_cap.max_num_tags > kMaxTags)) given = false;
  if (list && attr.tm_cap.max_ops > kMaxTagOps) given = false;
  return given && allowed(attr.attr) ? Result<void>() : Error{EINVAL};
}

Result<std::unique_ptr<Srq>> prepare(Pd& pd, void* srq_context, ibv_srq_attr& attr) {
  if (!allowed(attr)) return Error{EINVAL};
  auto srq = std::make_unique<Srq>();
  auto opened = srq->queue.open(attr.max_wr, std::max(attr.max_sge, 1u), pd.source(RingKind::kSharedReceiveQueue));
  if (!opened) return Error{opened.error()};
  srq->queue.pd = pd.domain;
  srq->queue.listener = &srq->events;
  srq->abi.context = pd.abi.context;
  srq->abi.srq_context = srq_context;
  srq->abi.pd = &pd.abi;
  return srq;
}

/// XRC: a number by which remote queue pairs name it. The others have one of their own kind.
Result<void> give_number(Srq& srq) {
  static std::atomic<uint32_t> numbers{1};
  if (srq.type != IBV_SRQT_XRC) {
    srq.queue.number = numbers++ & 0xffffff;
    return {};
  }
  if (auto running = start_engine(); !running) return running;
  Device& device = *Context::from(srq.abi.context).device;
  std::vector<SocketAddress> addresses = addresses_of(device);
  Engine& self = engine();
  auto guard = self.lane.hold();
  auto number = self.router.allocate_qpn(device.index, addresses);
  if (!number) return Error{number.error()};
  srq.queue.number = *number;
  srq.queue.home = addresses.front();
  srq.xrcd->domain->join(*number >> kSlotBits);
  self.lane.add(srq.queue);
  return {};
}

Result<Srq*> finish(std::unique_ptr<Srq> srq, ibv_srq_attr& attr) {
  if (auto numbered = give_number(*srq); !numbered) return Error{numbered.error()};
  srq->abi.handle = srq->queue.number;
  pthread_mutex_init(&srq->abi.mutex, nullptr);
  pthread_cond_init(&srq->abi.cond, nullptr);
  attr.max_sge = srq->queue.max_sge();
  ++Pd::from(srq->abi.pd).uses;
  if (srq->cq) ++srq->cq->uses;
  if (srq->xrcd) ++srq->xrcd->uses;
  return srq.release();
}

}  // namespace

void Srq::Events::limit_reached() {
  ibv_async_event event{};
  event.event_type = IBV_EVENT_SRQ_LIMIT_REACHED;
  event.element.srq = &srq.abi;
  Context::from(srq.abi.context).events->push(event);
}

Result<Srq*> create_srq(Pd& pd, ibv_srq_init_attr& attr) {
  auto srq = prepare(pd, attr.srq_context, attr.attr);
  return srq ? finish(std::move(*srq), attr.attr) : Error{srq.error()};
}

Result<Srq*> create_srq_ex(Context&, ibv_srq_init_attr_ex& attr) {
  ibv_srq_type type = (attr.comp_mask & IBV_SRQ_INIT_ATTR_TYPE) ? attr.srq_type : IBV_SRQT_BASIC;
  if (auto fine = check(attr, type); !fine) return Error{fine.error()};
  auto srq = prepare(Pd::from(attr.pd), attr.srq_context, attr.attr);
  if (!srq) return Error{srq.error()};
  (*srq)->type = type;
  if (type != IBV_SRQT_BASIC) {
    (*srq)->cq = &Cq::from(attr.cq);
    (*srq)->queue.cq = &(*srq)->cq->queue;
  }
  if (type == IBV_SRQT_XRC) {
    (*srq)->xrcd = &Xrcd::from(attr.xrcd);
    (*srq)->queue.domain = (*srq)->xrcd->domain.get();
  }
  if (type == IBV_SRQT_TM) (*srq)->queue.tags = std::make_unique<TagMatcher>(attr.tm_cap.max_num_tags);
  return finish(std::move(*srq), attr.attr);
}

Result<void> modify_srq(Srq& srq, const ibv_srq_attr& attr, int mask) {
  if (mask & ~(IBV_SRQ_MAX_WR | IBV_SRQ_LIMIT)) return Error{EINVAL};
  uint32_t depth = (mask & IBV_SRQ_MAX_WR) ? attr.max_wr : srq.queue.depth();
  uint32_t limit = (mask & IBV_SRQ_LIMIT) ? attr.srq_limit : srq.queue.limit();
  if (depth < 1 || depth > static_cast<uint32_t>(kMaxSrqWr) || limit > depth) return Error{EINVAL};
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

namespace {

/// Nothing arrives in it any more.
void withdraw(Srq& srq) {
  Engine& self = engine();
  auto guard = self.lane.hold();
  self.lane.remove(srq.queue);
  self.lane.wait(
      guard, [&] { return srq.queue.users == 0; }, [&] { self.lane.cut_off(&srq.queue); });
  self.router.stand_ins().drop(srq.queue.number);
  self.router.free_qpn(srq.queue.number);
}

}  // namespace

Result<void> destroy_srq(Srq& srq) {
  if (srq.uses.load() != 0) return Error{EBUSY};
  if (srq.type == IBV_SRQT_XRC) withdraw(srq);
  Context::from(srq.abi.context).events->remove([&](const ibv_async_event& event) {
    return AsyncEvents::about(event, &srq.abi);
  });
  wait_for_acks(srq.abi.mutex, srq.abi.cond, srq.abi.events_completed, srq.async_sent);
  pthread_mutex_destroy(&srq.abi.mutex);
  pthread_cond_destroy(&srq.abi.cond);
  if (srq.cq) --srq.cq->uses;
  if (srq.xrcd) --srq.xrcd->uses;
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

// --- tag matching ------------------------------------------------------------------------------------------------

namespace {

int add_tag(Srq& srq, ibv_ops_wr& wr) {
  auto& add = wr.tm.add;
  if (add.num_sge < 0 || static_cast<uint32_t>(add.num_sge) > srq.queue.max_sge()) return EINVAL;
  ReceiveWqe receive;
  receive.wr_id = add.recv_wr_id;
  receive.sge_count = static_cast<uint32_t>(add.num_sge);
  std::copy_n(add.sg_list, add.num_sge, receive.sge);
  auto handle = srq.queue.tags->add(receive, add.tag, add.mask);
  if (handle) wr.tm.handle = *handle;
  return handle.error();
}

/// 0, or why the operation is not done at all. `cqe` gets how it completes.
int operate(Srq& srq, ibv_ops_wr& wr, Cqe& cqe) {
  if (wr.flags & ~(IBV_OPS_SIGNALED | IBV_OPS_TM_SYNC)) return EINVAL;
  switch (wr.opcode) {
    case IBV_WR_TAG_ADD: cqe.opcode = IBV_WC_TM_ADD; return add_tag(srq, wr);
    case IBV_WR_TAG_DEL:
      cqe.opcode = IBV_WC_TM_DEL;
      if (!srq.queue.tags->remove(wr.tm.handle)) cqe.status = IBV_WC_TM_ERR;
      return 0;
    case IBV_WR_TAG_SYNC: cqe.opcode = IBV_WC_TM_SYNC; return 0;
    default: return EINVAL;
  }
}

int operate_and_complete(Srq& srq, ibv_ops_wr& wr) {
  Cqe cqe;
  cqe.wr_id = wr.wr_id;
  TagMatcher& tags = *srq.queue.tags;
  if (int error = operate(srq, wr, cqe)) return error;
  // What is taken off the list must not come to life by the count that comes with it.
  if (wr.flags & IBV_OPS_TM_SYNC) tags.synchronize(wr.tm.unexpected_cnt);
  if (!tags.in_step()) cqe.wc_flags = IBV_WC_TM_SYNC_REQ;
  bool signaled = (wr.flags & IBV_OPS_SIGNALED) || cqe.status != IBV_WC_SUCCESS;
  if (signaled) srq.queue.cq->push(cqe, true);
  return 0;
}

}  // namespace

int post_srq_ops(Srq& srq, ibv_ops_wr* wr, ibv_ops_wr** bad_wr) {
  int error = srq.queue.tags ? 0 : EINVAL;
  auto guard = engine().lane.hold();
  for (; wr && error == 0; wr = error ? wr : wr->next) error = operate_and_complete(srq, *wr);
  if (error) *bad_wr = wr;
  return error;
}

}  // namespace vb
