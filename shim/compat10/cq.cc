// SPDX-License-Identifier: BSD-2-Clause
// Completion queues of IBVERBS_1.0 and their events.
#include "compat10/door.h"

using vb::compat10::Channel;
using vb::compat10::Context;
using vb::compat10::Cq;

namespace vb::compat10 {

int poll_cq(Cq* cq, int count, ibv_wc* wc) { return cq->real->context->ops.poll_cq(cq->real, count, wc); }

int req_notify_cq(Cq* cq, int solicited_only) { return cq->real->context->ops.req_notify_cq(cq->real, solicited_only); }

}  // namespace vb::compat10

VB_DOOR Cq* vb_ibv_create_cq_1_0(Context* context, int cqe, void* cq_context, Channel* channel, int vector) {
  ibv_comp_channel* real_channel = vb::compat10::real_or_null(channel);
  auto* cq = vb::compat10::wrap<Cq>(ibv_create_cq(context->real, cqe, nullptr, real_channel, vector), ibv_destroy_cq);
  if (!cq) return nullptr;
  cq->real->cq_context = cq;
  cq->context = context;
  cq->cq_context = cq_context;
  cq->handle = cq->real->handle;
  cq->cqe = cq->real->cqe;
  pthread_mutex_init(&cq->mutex, nullptr);
  pthread_cond_init(&cq->cond, nullptr);
  return cq;
}

VB_DOOR int vb_ibv_resize_cq_1_0(Cq* cq, int cqe) {
  const int error = ibv_resize_cq(cq->real, cqe);
  cq->cqe = cq->real->cqe;
  return error;
}

VB_DOOR int vb_ibv_destroy_cq_1_0(Cq* cq) { return vb::compat10::unwrap(cq, ibv_destroy_cq); }

/// A cancellation point: no guard.
VB_DOOR int vb_ibv_get_cq_event_1_0(Channel* channel, Cq** cq, void** cq_context) {
  ibv_cq* real;
  void* back;
  if (const int error = ibv_get_cq_event(channel->real, &real, &back); error != 0) return error;
  *cq = static_cast<Cq*>(back);
  *cq_context = (*cq)->cq_context;
  return 0;
}

VB_DOOR void vb_ibv_ack_cq_events_1_0(Cq* cq, unsigned count) { ibv_ack_cq_events(cq->real, count); }
