// SPDX-License-Identifier: BSD-2-Clause
// Queue pairs of identifiers, and the CQs that are made for them.
#include <algorithm>
#include <cstring>

#include "door.h"
#include "native_id.h"

using namespace vb;
using namespace vb::door;

namespace vb::door {

bool is_xrc(const Id& id) { return id.abi.qp_type == IBV_QPT_XRC_SEND || id.abi.qp_type == IBV_QPT_XRC_RECV; }

namespace {

constexpr uint8_t kDefaultAckTimeout = 19;  ///< what the kernel takes for RoCE
constexpr uint8_t kHopLimit = 64;

/// A verbs call's errno value (0 or positive), as a Result.
Result<void> check(int error) { return error ? Result<void>(Error{error}) : Result<void>(); }

void destroy_cq(ibv_cq*& cq, ibv_comp_channel*& channel) {
  if (cq) ibv_destroy_cq(std::exchange(cq, nullptr));
  if (channel) ibv_destroy_comp_channel(std::exchange(channel, nullptr));
}

Result<void> make_cq(Id& id, uint32_t depth, ibv_cq*& cq, ibv_comp_channel*& channel) {
  channel = ibv_create_comp_channel(id.abi.verbs);
  if (!channel) return Error{errno};
  cq = ibv_create_cq(id.abi.verbs, static_cast<int>(std::max(depth, 1u)), &id.abi, channel, 0);
  if (cq) return {};
  int error = errno;
  destroy_cq(cq, channel);
  return Error{error};
}

/// `sends`, `receives`: whether the type has such a queue with a CQ of its own.
template <class Attr>
Result<void> make_cqs(Id& id, Attr& attr) {
  rdma_cm_id& abi = id.abi;
  bool sends = abi.qp_type != IBV_QPT_XRC_RECV;
  bool receives = sends && abi.qp_type != IBV_QPT_XRC_SEND;
  if (receives && !attr.recv_cq && !abi.recv_cq && attr.cap.max_recv_wr) {
    if (auto made = make_cq(id, attr.cap.max_recv_wr, abi.recv_cq, abi.recv_cq_channel); !made) return made;
  }
  if (sends && !attr.send_cq && !abi.send_cq) {
    if (auto made = make_cq(id, attr.cap.max_send_wr, abi.send_cq, abi.send_cq_channel); !made) return made;
  }
  if (sends && !attr.send_cq) attr.send_cq = abi.send_cq;
  if (receives && !attr.recv_cq) attr.recv_cq = abi.recv_cq ? abi.recv_cq : attr.send_cq;
  if (receives && !attr.srq) attr.srq = abi.srq;
  return {};
}

/// What must hold before a QP is made, whichever way.
template <class Attr>
Result<void> check_request(const Id& id, const Attr& attr, const ibv_pd* pd) {
  const rdma_cm_id& abi = id.abi;
  if (auto present = id.present(); !present) return present;
  if (abi.qp || !abi.verbs || pd->context != abi.verbs) return Error{EINVAL};
  auto differ = [](const ibv_cq* own, const ibv_cq* given) { return own && given && own != given; };
  if (differ(abi.recv_cq, attr.recv_cq) || differ(abi.send_cq, attr.send_cq)) return Error{EINVAL};
  return {};
}

Result<void> initialise(Id& id, ibv_qp* qp) {
  ibv_qp_attr attr{};
  int mask = IBV_QP_STATE;
  attr.qp_state = IBV_QPS_INIT;
  if (auto filled = init_qp_attr(id, attr, mask); !filled) return filled;
  if (auto done = check(ibv_modify_qp(qp, &attr, mask)); !done) return done;
  if (!id.datagram()) return {};
  attr.qp_state = IBV_QPS_RTR;
  if (auto done = check(ibv_modify_qp(qp, &attr, IBV_QP_STATE)); !done) return done;
  attr.qp_state = IBV_QPS_RTS;
  attr.sq_psn = 0;
  return check(ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_SQ_PSN));
}

bool connected(const Id& id) {
  switch (id.protocol->state()) {
    case cm::State::kIdle:
    case cm::State::kResolving:
    case cm::State::kListening:
    case cm::State::kClosed: return false;
    default: return true;
  }
}

void fill_init(const Id& id, ibv_qp_attr& attr, int& mask) {
  attr.pkey_index = 0;
  attr.port_num = 1;
  mask = IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT;
  if (id.datagram()) {
    attr.qkey = id.qkey ? id.qkey : default_qkey(id);
    mask |= IBV_QP_QKEY;
    return;
  }
  attr.qp_access_flags = 0;
  if (connected(id)) {
    attr.qp_access_flags = IBV_ACCESS_REMOTE_WRITE;
    if (id.responder_resources) attr.qp_access_flags |= IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC;
  }
  mask |= IBV_QP_ACCESS_FLAGS;
}

Result<void> fill_rtr(const Id& id, ibv_qp_attr& attr, int& mask) {
  if (!connected(id)) return Error{EINVAL};
  const cm::Parameters& theirs = id.protocol->theirs();
  attr.ah_attr = address_vector(id);
  attr.path_mtu = IBV_MTU_4096;
  attr.dest_qp_num = theirs.qpn;
  attr.rq_psn = theirs.psn;
  mask = IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN;
  if (id.abi.qp_type != IBV_QPT_RC && id.abi.qp_type != IBV_QPT_XRC_RECV) return {};
  attr.max_dest_rd_atomic = id.responder_resources;
  attr.min_rnr_timer = 0;
  mask |= IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER;
  return {};
}

Result<void> fill_rts(const Id& id, ibv_qp_attr& attr, int& mask) {
  if (!connected(id)) return Error{EINVAL};
  attr.sq_psn = id.psn;
  mask = IBV_QP_STATE | IBV_QP_SQ_PSN;
  if (id.abi.qp_type == IBV_QPT_UC) return {};
  attr.timeout = id.ack_timeout ? id.ack_timeout : kDefaultAckTimeout;
  mask |= IBV_QP_TIMEOUT;
  if (id.abi.qp_type == IBV_QPT_XRC_RECV) return {};
  attr.retry_cnt = id.retry_count;
  attr.rnr_retry = id.rnr_retry_count;
  attr.max_rd_atomic = id.initiator_depth;
  mask |= IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_MAX_QP_RD_ATOMIC;
  return {};
}

}  // namespace

uint32_t default_qkey(const Id&) { return RDMA_UDP_QKEY; }

ibv_ah_attr address_vector(const Id& id) {
  ibv_ah_attr attr{};
  attr.is_global = 1;
  attr.grh.dgid = id.abi.route.addr.addr.ibaddr.dgid;
  attr.grh.sgid_index = id.gid_index;
  attr.grh.hop_limit = kHopLimit;
  attr.grh.traffic_class = id.traffic_class;
  attr.port_num = 1;
  return attr;
}

Result<void> init_qp_attr(Id& id, ibv_qp_attr& attr, int& mask) {
  if (id.is_native()) {
    return on_native(id, [&](rdma_cm_id* native) { return native_rdma_init_qp_attr(native, &attr, &mask); });
  }
  if (auto present = id.present(); !present) return present;
  switch (attr.qp_state) {
    case IBV_QPS_INIT: fill_init(id, attr, mask); return {};
    case IBV_QPS_RTR: return fill_rtr(id, attr, mask);
    case IBV_QPS_RTS: return fill_rts(id, attr, mask);
    default: return Error{EINVAL};
  }
}

namespace {

/// Brings a new QP to its first state, and gives it to the identifier.
Result<void> keep(Id& id, ibv_pd* pd, ibv_qp* qp) {
  Result<void> done = qp ? initialise(id, qp) : Error{errno};
  if (!done) {
    if (qp) ibv_destroy_qp(qp);
    destroy_cqs(id);
    return done;
  }
  id.abi.pd = pd;
  ibv_ece own{};  // what the queue pair can do counts from now on
  id.local_ece = ibv_query_ece(qp, &own) == 0 ? cm::Ece{own.vendor_id, own.options} : cm::Ece{};
  std::lock_guard guard(id.qp_lock);
  id.abi.qp = qp;
  return {};
}

/// Adapters keep inline data where the SGEs would be, and programs have come to send a few bytes so without asking.
void grant_inline(ibv_qp_cap& cap) {
  uint32_t sges = std::min<uint32_t>(cap.max_send_sge, 4);
  cap.max_inline_data = std::max<uint32_t>(cap.max_inline_data, sges * sizeof(ibv_sge));
}

ibv_qp_init_attr_ex extended(const ibv_qp_init_attr& attr, ibv_pd* pd) {
  ibv_qp_init_attr_ex wide{};
  memcpy(&wide, &attr, sizeof attr);
  wide.comp_mask = IBV_QP_INIT_ATTR_PD;
  wide.pd = pd;
  return wide;
}

}  // namespace

Result<void> create_qp(Id& id, ibv_pd* pd, ibv_qp_init_attr& attr) {
  if (id.is_native()) {
    return on_native(id, [&](rdma_cm_id* native) { return native_rdma_create_qp(native, pd, &attr); });
  }
  if (!pd) pd = id.abi.pd;
  if (is_xrc(id)) {
    ibv_qp_init_attr_ex wide = extended(attr, pd);
    auto made = create_qp_ex(id, wide);
    if (made) attr.cap = wide.cap;
    return made;
  }
  if (!pd) return Error{EINVAL};
  if (auto fine = check_request(id, attr, pd); !fine) return fine;
  grant_inline(attr.cap);
  if (auto made = make_cqs(id, attr); !made) return made;
  return keep(id, pd, ibv_create_qp(pd, &attr));
}

Result<void> create_qp_ex(Id& id, ibv_qp_init_attr_ex& attr) {
  if (id.is_native()) {
    return on_native(id, [&](rdma_cm_id* native) { return native_rdma_create_qp_ex(native, &attr); });
  }
  if (!(attr.comp_mask & IBV_QP_INIT_ATTR_PD) || !attr.pd) {
    attr.comp_mask |= IBV_QP_INIT_ATTR_PD;
    attr.pd = id.abi.pd;
  }
  if (!attr.pd) return Error{EINVAL};
  if (auto fine = check_request(id, attr, attr.pd); !fine) return fine;
  if (id.abi.qp_type == IBV_QPT_XRC_RECV && !(attr.comp_mask & IBV_QP_INIT_ATTR_XRCD)) {
    auto domain = xrc_domain(id);
    if (!domain) return Error{domain.error()};
    attr.xrcd = *domain;
    attr.comp_mask |= IBV_QP_INIT_ATTR_XRCD;
  }
  if (id.abi.qp_type != IBV_QPT_XRC_RECV) grant_inline(attr.cap);
  if (auto made = make_cqs(id, attr); !made) return made;
  return keep(id, attr.pd, ibv_create_qp_ex(id.abi.verbs, &attr));
}

Result<ibv_cq*> make_receive_cq(Id& id, uint32_t depth) {
  if (!id.abi.recv_cq) {
    if (auto made = make_cq(id, depth, id.abi.recv_cq, id.abi.recv_cq_channel); !made) return Error{made.error()};
  }
  return id.abi.recv_cq;
}

void destroy_cqs(Id& id) {
  destroy_cq(id.abi.send_cq, id.abi.send_cq_channel);
  // A shared receive queue may complete there.
  if (!id.abi.srq) destroy_cq(id.abi.recv_cq, id.abi.recv_cq_channel);
}

void destroy_qp(Id& id) {
  ibv_qp* qp = nullptr;
  {
    std::lock_guard guard(id.qp_lock);
    qp = std::exchange(id.abi.qp, nullptr);
  }
  if (qp) ibv_destroy_qp(qp);
  destroy_cqs(id);
}

bool has_qp(Id& id) {
  std::lock_guard guard(id.qp_lock);
  return id.abi.qp != nullptr;
}

/// The values that were not known when the QP was made come with its way to RTR.
Result<void> move_to_rtr(Id& id, uint8_t responder_resources) {
  std::lock_guard guard(id.qp_lock);
  if (!id.abi.qp) return Error{EINVAL};
  ibv_qp_attr attr{};
  int mask = 0;
  attr.qp_state = IBV_QPS_INIT;
  if (auto filled = init_qp_attr(id, attr, mask); !filled) return filled;
  if (auto done = check(ibv_modify_qp(id.abi.qp, &attr, mask)); !done) return done;
  attr.qp_state = IBV_QPS_RTR;
  if (auto filled = init_qp_attr(id, attr, mask); !filled) return filled;
  if (responder_resources != RDMA_MAX_RESP_RES) attr.max_dest_rd_atomic = responder_resources;
  return check(ibv_modify_qp(id.abi.qp, &attr, mask));
}

Result<void> move_to_rts(Id& id, uint8_t initiator_depth) {
  std::lock_guard guard(id.qp_lock);
  if (!id.abi.qp) return Error{EINVAL};
  ibv_qp_attr attr{};
  int mask = 0;
  attr.qp_state = IBV_QPS_RTS;
  if (auto filled = init_qp_attr(id, attr, mask); !filled) return filled;
  if (initiator_depth != RDMA_MAX_INIT_DEPTH) attr.max_rd_atomic = initiator_depth;
  return check(ibv_modify_qp(id.abi.qp, &attr, mask));
}

Result<void> move_to_error(Id& id) {
  std::lock_guard guard(id.qp_lock);
  if (!id.abi.qp) return {};
  ibv_qp_attr attr{};
  attr.qp_state = IBV_QPS_ERR;
  return check(ibv_modify_qp(id.abi.qp, &attr, IBV_QP_STATE));
}

}  // namespace vb::door

VB_DOOR int rdma_create_qp(rdma_cm_id* id, ibv_pd* pd, ibv_qp_init_attr* attr) {
  if (!ours(id)) return native_rdma_create_qp(id, pd, attr);
  return minus_one_entry([&] { return create_qp(Id::from(id), pd, *attr); });
}

VB_DOOR int rdma_create_qp_ex(rdma_cm_id* id, ibv_qp_init_attr_ex* attr) {
  if (!ours(id)) return native_rdma_create_qp_ex(id, attr);
  return minus_one_entry([&] { return create_qp_ex(Id::from(id), *attr); });
}

VB_DOOR void rdma_destroy_qp(rdma_cm_id* id) {
  if (!ours(id)) return native_rdma_destroy_qp(id);
  destroy_any_qp(Id::from(id));
}

VB_DOOR int rdma_init_qp_attr(rdma_cm_id* id, ibv_qp_attr* attr, int* mask) {
  if (!ours(id)) return native_rdma_init_qp_attr(id, attr, mask);
  return minus_one_entry([&] { return init_qp_attr(Id::from(id), *attr, *mask); });
}
