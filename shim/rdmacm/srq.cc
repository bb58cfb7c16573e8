// SPDX-License-Identifier: BSD-2-Clause
// Shared receive queues of identifiers.
#include <utility>

#include "door.h"
#include "native_id.h"

using namespace vb;
using namespace vb::door;

namespace vb::door {

namespace {

/// An XRC SRQ has a domain and a CQ of its own.
Result<void> prepare_xrc(Id& id, ibv_srq_init_attr_ex& attr) {
  if (!(attr.comp_mask & IBV_SRQ_INIT_ATTR_TYPE) || attr.srq_type != IBV_SRQT_XRC) return {};
  if (!(attr.comp_mask & IBV_SRQ_INIT_ATTR_XRCD) || !attr.xrcd) {
    auto domain = xrc_domain(id);
    if (!domain) return Error{domain.error()};
    attr.xrcd = *domain;
    attr.comp_mask |= IBV_SRQ_INIT_ATTR_XRCD;
  }
  if (!(attr.comp_mask & IBV_SRQ_INIT_ATTR_CQ) || !attr.cq) {
    auto cq = make_receive_cq(id, attr.attr.max_wr);
    if (!cq) return Error{cq.error()};
    attr.cq = *cq;
    attr.comp_mask |= IBV_SRQ_INIT_ATTR_CQ;
  }
  return {};
}

Result<void> create_srq_ex(Id& id, ibv_srq_init_attr_ex& attr) {
  if (id.is_native()) {
    return on_native(id, [&](rdma_cm_id* native) { return native_rdma_create_srq_ex(native, &attr); });
  }
  if (id.abi.srq || !id.abi.verbs) return Error{EINVAL};
  if (!(attr.comp_mask & IBV_SRQ_INIT_ATTR_PD) || !attr.pd) {
    attr.pd = id.abi.pd;
    attr.comp_mask |= IBV_SRQ_INIT_ATTR_PD;
  }
  if (!attr.pd || attr.pd->context != id.abi.verbs) return Error{EINVAL};
  if (auto ready = prepare_xrc(id, attr); !ready) return ready;
  ibv_srq* srq = ibv_create_srq_ex(id.abi.verbs, &attr);
  if (!srq) return Error{errno};
  id.abi.pd = attr.pd;
  id.abi.srq = srq;
  return {};
}

/// Of the kind that the identifier's queue pair takes its receives from.
Result<void> create_srq(Id& id, ibv_pd* pd, ibv_srq_init_attr& attr) {
  if (id.is_native()) {
    return on_native(id, [&](rdma_cm_id* native) { return native_rdma_create_srq(native, pd, &attr); });
  }
  ibv_srq_init_attr_ex wide{};
  wide.srq_context = attr.srq_context;
  wide.attr = attr.attr;
  wide.comp_mask = IBV_SRQ_INIT_ATTR_TYPE | IBV_SRQ_INIT_ATTR_PD;
  wide.srq_type = is_xrc(id) ? IBV_SRQT_XRC : IBV_SRQT_BASIC;
  wide.pd = pd;
  auto made = create_srq_ex(id, wide);
  if (made) attr.attr = wide.attr;
  return made;
}

}  // namespace

void destroy_srq(Id& id) {
  if (id.is_native()) {
    static_cast<void>(on_native(id, [](rdma_cm_id* native) { return native_rdma_destroy_srq(native), 0; }));
    return;
  }
  rdma_cm_id& abi = id.abi;
  if (abi.srq) ibv_destroy_srq(std::exchange(abi.srq, nullptr));
  if (!abi.qp) destroy_cqs(id);
}

}  // namespace vb::door

VB_DOOR int rdma_create_srq(rdma_cm_id* id, ibv_pd* pd, ibv_srq_init_attr* attr) {
  if (!ours(id)) return native_rdma_create_srq(id, pd, attr);
  return minus_one_entry([&] { return create_srq(Id::from(id), pd, *attr); });
}

VB_DOOR int rdma_create_srq_ex(rdma_cm_id* id, ibv_srq_init_attr_ex* attr) {
  if (!ours(id)) return native_rdma_create_srq_ex(id, attr);
  return minus_one_entry([&] { return create_srq_ex(Id::from(id), *attr); });
}

VB_DOOR void rdma_destroy_srq(rdma_cm_id* id) {
  if (!ours(id)) return native_rdma_destroy_srq(id);
  destroy_srq(Id::from(id));
}
