// SPDX-License-Identifier: BSD-2-Clause
// Queue pairs, shared receive queues and multicast groups of IBVERBS_1.0.
#include <cstring>

#include "compat10/door.h"

using vb::compat10::kQpAttrSize;
using vb::compat10::Pd;
using vb::compat10::Qp;
using vb::compat10::QpInitAttr;
using vb::compat10::real_or_null;
using vb::compat10::Srq;
using vb::compat10::SrqInitAttr;

VB_DOOR Qp* vb_ibv_create_qp_1_0(Pd* pd, QpInitAttr* attr) {
  ibv_qp_init_attr init{nullptr,
                        real_or_null(attr->send_cq),
                        real_or_null(attr->recv_cq),
                        real_or_null(attr->srq),
                        attr->cap,
                        attr->qp_type,
                        attr->sq_sig_all};
  auto* qp = vb::compat10::wrap<Qp>(ibv_create_qp(pd->real, &init), ibv_destroy_qp);
  if (!qp) return nullptr;
  attr->cap = init.cap;
  qp->real->qp_context = qp;
  qp->context = pd->context;
  qp->qp_context = attr->qp_context;
  qp->pd = pd;
  qp->send_cq = attr->send_cq;
  qp->recv_cq = attr->recv_cq;
  qp->srq = attr->srq;
  qp->handle = qp->real->handle;
  qp->qp_num = qp->real->qp_num;
  qp->state = qp->real->state;
  qp->qp_type = qp->real->qp_type;
  pthread_mutex_init(&qp->mutex, nullptr);
  pthread_cond_init(&qp->cond, nullptr);
  return qp;
}

/// The program's structure is shorter than today's: it is not read beyond its end.
VB_DOOR int vb_ibv_modify_qp_1_0(Qp* qp, ibv_qp_attr* attr, int mask) {
  ibv_qp_attr whole{};
  std::memcpy(static_cast<void*>(&whole), attr, kQpAttrSize);
  const int error = ibv_modify_qp(qp->real, &whole, mask);
  qp->state = qp->real->state;
  return error;
}

VB_DOOR int vb_ibv_query_qp_1_0(Qp* qp, ibv_qp_attr* attr, int mask, QpInitAttr* init) {
  ibv_qp_attr whole{};
  ibv_qp_init_attr real{};
  std::memcpy(static_cast<void*>(&whole), attr, kQpAttrSize);
  if (const int error = ibv_query_qp(qp->real, &whole, mask, &real); error != 0) return error;
  qp->state = qp->real->state;
  std::memcpy(static_cast<void*>(attr), &whole, kQpAttrSize);
  if (init) *init = {qp->qp_context, qp->send_cq, qp->recv_cq, qp->srq, real.cap, real.qp_type, real.sq_sig_all};
  return 0;
}

VB_DOOR int vb_ibv_destroy_qp_1_0(Qp* qp) { return vb::compat10::unwrap(qp, ibv_destroy_qp); }

VB_DOOR int vb_ibv_attach_mcast_1_0(Qp* qp, ibv_gid* gid, uint16_t lid) { return ibv_attach_mcast(qp->real, gid, lid); }

VB_DOOR int vb_ibv_detach_mcast_1_0(Qp* qp, ibv_gid* gid, uint16_t lid) { return ibv_detach_mcast(qp->real, gid, lid); }

VB_DOOR Srq* vb_ibv_create_srq_1_0(Pd* pd, SrqInitAttr* attr) {
  ibv_srq_init_attr init{nullptr, attr->attr};
  auto* srq = vb::compat10::wrap<Srq>(ibv_create_srq(pd->real, &init), ibv_destroy_srq);
  if (!srq) return nullptr;
  attr->attr = init.attr;
  srq->real->srq_context = srq;
  srq->context = pd->context;
  srq->srq_context = attr->srq_context;
  srq->pd = pd;
  srq->handle = srq->real->handle;
  pthread_mutex_init(&srq->mutex, nullptr);
  pthread_cond_init(&srq->cond, nullptr);
  return srq;
}

VB_DOOR int vb_ibv_modify_srq_1_0(Srq* srq, ibv_srq_attr* attr, int mask) {
  return ibv_modify_srq(srq->real, attr, mask);
}

VB_DOOR int vb_ibv_query_srq_1_0(Srq* srq, ibv_srq_attr* attr) { return ibv_query_srq(srq->real, attr); }

VB_DOOR int vb_ibv_destroy_srq_1_0(Srq* srq) { return vb::compat10::unwrap(srq, ibv_destroy_srq); }
