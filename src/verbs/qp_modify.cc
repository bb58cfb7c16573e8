// SPDX-License-Identifier: BSD-2-Clause
// States and attributes of queue pairs.
#include "base/clock.h"
#include "transport/engine.h"
#include "verbs/limits.h"
#include "verbs/qp_internal.h"
#include "verbs/qp_state.h"
#include "verbs/raw_qp.h"
#include "verbs/route.h"

namespace vb {

namespace {

/// An Ethernet link routes by GID: without a global route header there is no path.
bool leads_somewhere(const ibv_ah_attr& attr) {
  return attr.is_global && attr.grh.sgid_index < kGidTableLength && attr.port_num == 1;
}

bool values_fit(const ibv_qp_attr& attr, int mask) {
  auto bad = [mask](int bit, bool wrong) { return (mask & bit) && wrong; };
  return !bad(IBV_QP_PORT, attr.port_num != 1) && !bad(IBV_QP_PKEY_INDEX, attr.pkey_index >= kPkeyTableLength) &&
         !bad(IBV_QP_PATH_MTU, attr.path_mtu < IBV_MTU_256 || attr.path_mtu > IBV_MTU_4096) &&
         !bad(IBV_QP_TIMEOUT, attr.timeout > 31) && !bad(IBV_QP_RETRY_CNT, attr.retry_cnt > 7) &&
         !bad(IBV_QP_RNR_RETRY, attr.rnr_retry > 7) && !bad(IBV_QP_MIN_RNR_TIMER, attr.min_rnr_timer > 31) &&
         !bad(IBV_QP_MAX_QP_RD_ATOMIC, attr.max_rd_atomic > kMaxRdAtomic) &&
         !bad(IBV_QP_MAX_DEST_RD_ATOMIC, attr.max_dest_rd_atomic > kMaxRdAtomic) &&
         !bad(IBV_QP_DEST_QPN, attr.dest_qp_num > 0xffffff) &&
         !bad(IBV_QP_RATE_LIMIT, attr.rate_limit > kMaxRateLimit) && !bad(IBV_QP_AV, !leads_somewhere(attr.ah_attr));
}

/// No path takes over from another by itself, and the device does not say so (IBV_DEVICE_AUTO_PATH_MIG): a queue pair
/// that has migrated is all that it can be told to be. Linux refuses alternate paths of every Ethernet port.
bool asks_for_migration(const ibv_qp_attr& attr, int mask) {
  return (mask & IBV_QP_ALT_PATH) || ((mask & IBV_QP_PATH_MIG_STATE) && attr.path_mig_state != IBV_MIG_MIGRATED);
}

void keep(ibv_qp_attr& to, const ibv_qp_attr& from, int mask) {
  if (mask & IBV_QP_PKEY_INDEX) to.pkey_index = from.pkey_index;
  if (mask & IBV_QP_PORT) to.port_num = from.port_num;
  if (mask & IBV_QP_ACCESS_FLAGS) to.qp_access_flags = from.qp_access_flags;
  if (mask & IBV_QP_QKEY) to.qkey = from.qkey;
  if (mask & IBV_QP_AV) to.ah_attr = from.ah_attr;
  if (mask & IBV_QP_PATH_MTU) to.path_mtu = from.path_mtu;
  if (mask & IBV_QP_DEST_QPN) to.dest_qp_num = from.dest_qp_num;
  if (mask & IBV_QP_RQ_PSN) to.rq_psn = from.rq_psn & 0xffffff;
  if (mask & IBV_QP_SQ_PSN) to.sq_psn = from.sq_psn & 0xffffff;
  if (mask & IBV_QP_MAX_DEST_RD_ATOMIC) to.max_dest_rd_atomic = from.max_dest_rd_atomic;
  if (mask & IBV_QP_MAX_QP_RD_ATOMIC) to.max_rd_atomic = from.max_rd_atomic;
  if (mask & IBV_QP_MIN_RNR_TIMER) to.min_rnr_timer = from.min_rnr_timer;
  if (mask & IBV_QP_TIMEOUT) to.timeout = from.timeout;
  if (mask & IBV_QP_RETRY_CNT) to.retry_cnt = from.retry_cnt;
  if (mask & IBV_QP_RNR_RETRY) to.rnr_retry = from.rnr_retry;
}

void apply(QueuePair& transport, const ibv_qp_attr& attr) {
  PathAttributes& path = transport.path;
  if (transport.config.type != kDcInitiator) path.dest_qpn = attr.dest_qp_num;  // that one aims by itself
  path.timeout = attr.timeout;
  path.retry_count = attr.retry_cnt;
  path.rnr_retry = attr.rnr_retry;
  path.min_rnr_timer = attr.min_rnr_timer;
  path.max_rd_atomic = attr.max_rd_atomic;
  path.max_dest_rd_atomic = attr.max_dest_rd_atomic;
  path.access = attr.qp_access_flags;
  path.qkey = attr.qkey;
}

Result<void> connect(Qp& qp, const Device& device, const ibv_qp_attr& attr) {
  auto ends = resolve(device, attr.ah_attr.grh);
  if (!ends) return Error{ends.error()};
  return engine().router.connect(*qp.transport.connected(), ends->source, ends->destination, attr.dest_qp_num);
}

constexpr uint64_t kMigrationPatience = 5 * kSecond;

/// What is sent from now on takes another path, when all that was sent before is done. What a peer's request has begun
/// here ends on the old one. EBUSY: what was sent does not come to an end.
Result<void> change_path(Qp& qp, const Device& device, const ibv_ah_attr& to, std::unique_lock<Lane>& guard) {
  ConnectedQueuePair& transport = *qp.transport.connected();
  Lane& lane = engine().lane;
  const ibv_qp_state state = transport.state();
  const uint64_t give_up = clock_ns() + kMigrationPatience;
  auto still = [&] { return transport.drained() && transport.responder.idle(); };
  transport.requester.pause(true);
  lane.settle_now();
  while (!still() && transport.state() == state && !lane.closed() && clock_ns() < give_up) lane.pass_for_others(guard);
  transport.requester.pause(false);
  if (!still() || transport.state() != state) {
    transport.run();
    return Error{EBUSY};
  }
  ibv_qp_attr path = qp.attr;
  path.ah_attr = to;
  auto connected = connect(qp, device, path);
  if (!connected) (void)connect(qp, device, qp.attr);
  transport.run();
  return connected;
}

/// A path that changes while the connection stands.
Result<void> move(Qp& qp, const Device& device, const ibv_qp_attr& attr, int mask, std::unique_lock<Lane>& guard) {
  if (!qp.transport.connected() || qp.transport.state() != IBV_QPS_SQD || !(mask & IBV_QP_AV)) return {};
  if (!qp.transport.drained()) return Error{EINVAL};
  return change_path(qp, device, attr.ah_attr, guard);
}

/// What has arrived belongs to the life that ends, or to the one before: the numbers of queue pairs and messages do not
/// tell it from what comes in the next. Both ends look, and the one that was reset first looks again when it connects.
void finish_old_life() {
  constexpr int kPasses = 64;  // others' traffic must not hold us
  for (int i = 0; i < kPasses && engine().lane.pass() != 0; ++i) {
  }
  engine().lane.settle_now();
}

void enter(Qp& qp, ibv_qp_state from, ibv_qp_state to, int mask, const ibv_qp_attr& attr,
           std::unique_lock<Lane>& guard) {
  QueuePair& transport = qp.transport;
  switch (to) {
    case IBV_QPS_RESET:
      finish_old_life();
      silence(transport, guard);
      transport.detach();
      transport.reset();
      for (CompletionQueue* queue : {transport.config.send_cq, transport.config.recv_cq}) {
        if (queue) queue->forget(transport.qpn);  // XRC has one of the two, or none
      }
      transport.set_state(IBV_QPS_RESET);
      transport.mute = false;
      return;
    case IBV_QPS_ERR:
      if (from == IBV_QPS_RESET) {
        transport.set_state(IBV_QPS_ERR);
      } else {
        transport.fail(IBV_WC_WR_FLUSH_ERR);
      }
      return;
    case IBV_QPS_RTS: transport.set_state(IBV_QPS_RTS); return transport.start();
    case IBV_QPS_SQD:
      transport.set_state(IBV_QPS_SQD);
      transport.drain_event_owed = (mask & IBV_QP_EN_SQD_ASYNC_NOTIFY) && attr.en_sqd_async_notify;
      return engine().lane.drained(transport);
    default: transport.set_state(to);
  }
}

}  // namespace

Result<void> modify_target(Qp& qp, const ibv_qp_attr& attr, int mask, std::unique_lock<Lane>& guard) {
  mask &= ~ignored_attributes(qp.init.qp_type);
  const Device& device = *qp.device;
  ibv_qp_state from = qp.transport.state();
  if ((mask & IBV_QP_CUR_STATE) && attr.cur_qp_state != from) return Error{EINVAL};
  ibv_qp_state to = (mask & IBV_QP_STATE) ? attr.qp_state : from;
  Transition transition = qp_transition(qp.init.qp_type, from, to);
  int given = mask & ~IBV_QP_STATE;
  if (!transition.valid || (given & transition.required) != transition.required ||
      (given & ~(transition.required | transition.optional))) {
    return Error{EINVAL};
  }
  if (!values_fit(attr, mask) || asks_for_migration(attr, mask)) return Error{EINVAL};
  if (to == IBV_QPS_RTR && qp.transport.connected() && qp.init.qp_type != kDcInitiator) {
    finish_old_life();
    qp.transport.path.dest_qpn = attr.dest_qp_num;
    if (auto connected = connect(qp, device, attr); !connected) return connected;
  }
  if (auto moved = move(qp, device, attr, mask, guard); !moved) return moved;
  keep(qp.attr, attr, mask);
  if (to == IBV_QPS_RESET) qp.attr = {};
  apply(qp.transport, qp.attr);
  if (mask & IBV_QP_RATE_LIMIT) limit_rate(qp, attr.rate_limit, 0);
  if (mask & IBV_QP_STATE) enter(qp, from, to, mask, attr, guard);
  engine().lane.settle_now();
  return {};
}

void query_target(Qp& qp, ibv_qp_attr& attr, ibv_qp_init_attr& init) {
  ibv_qp_state state = qp.transport.state();
  constexpr int kAll = IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS | IBV_QP_QKEY | IBV_QP_AV |
                       IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | IBV_QP_SQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
                       IBV_QP_MAX_QP_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT |
                       IBV_QP_RNR_RETRY;
  keep(attr, qp.attr, kAll);
  attr.qp_state = attr.cur_qp_state = state;
  attr.path_mig_state = IBV_MIG_MIGRATED;
  attr.alt_ah_attr = {};
  attr.alt_pkey_index = 0;
  attr.alt_port_num = attr.alt_timeout = 0;
  attr.cap = qp.init.cap;
  attr.en_sqd_async_notify = 0;
  attr.sq_draining = state == IBV_QPS_SQD && !qp.transport.drained();
  init.send_cq = qp.init.send_cq;
  init.recv_cq = qp.init.recv_cq;
  init.srq = qp.init.srq;
  init.cap = qp.init.cap;
  init.qp_type = qp.init.qp_type;
  init.sq_sig_all = qp.init.sq_sig_all;
}

Result<void> modify_qp(Qp& handle, const ibv_qp_attr& attr, int mask) {
  auto guard = engine().lane.hold();
  auto modified = handle.elsewhere ? modify_elsewhere(handle, attr, mask, guard)
                                   : modify_target(handle.real ? *handle.real : handle, attr, mask, guard);
  if (modified && (mask & IBV_QP_STATE)) handle.abi.qp_base.state = attr.qp_state;
  return modified;
}

Result<void> query_qp(Qp& handle, ibv_qp_attr* attr, int, ibv_qp_init_attr* init) {
  auto guard = engine().lane.hold();
  if (handle.elsewhere) {
    if (auto known = learn_elsewhere(handle, guard); !known) return known;
  }
  query_target(handle.real ? *handle.real : handle, *attr, *init);
  init->qp_context = handle.init.qp_context;
  return {};
}

Result<void> set_ece(ibv_ece& ece) {
  if (ece.comp_mask != 0 || ece.vendor_id != kVendorId) return Error{EINVAL};
  ece.options &= kEceOptions;
  return {};
}

void query_ece(ibv_ece& ece) { ece = {.vendor_id = kVendorId, .options = kEceOptions, .comp_mask = 0}; }

}  // namespace vb
