// SPDX-License-Identifier: BSD-2-Clause
// The slots of ibv_context.ops that release 20 renamed _compat_*: programs and wrappers of older releases may call
// them, as the library itself did. Each has the signature of its time, and leads to today's function.
#include "door.h"

namespace vb::door {
namespace {

/// Without the program's pointer, which the library of the time wrote into the object by itself.
ibv_cq* create_cq_then(ibv_context* context, int cqe, ibv_comp_channel* channel, int vector) {
  return ibv_create_cq(context, cqe, nullptr, channel, vector);
}

/// What a provider was told of events: there is nothing to do here.
void told(const void*) {}

template <class Slot, class Function>
void set(Slot& slot, Function* function) {
  slot = reinterpret_cast<Slot>(reinterpret_cast<void*>(function));
}

}  // namespace

void overlay_older(ibv_context_ops& ops) {
  set(ops._compat_query_device, ibv_query_device);
  set(ops._compat_query_port, ibv_query_port);
  set(ops._compat_alloc_pd, ibv_alloc_pd);
  set(ops._compat_dealloc_pd, ibv_dealloc_pd);
  set(ops._compat_reg_mr, ibv_reg_mr);
  set(ops._compat_rereg_mr, ibv_rereg_mr);
  set(ops._compat_dereg_mr, ibv_dereg_mr);
  set(ops._compat_create_cq, create_cq_then);
  set(ops._compat_cq_event, told);
  set(ops._compat_resize_cq, ibv_resize_cq);
  set(ops._compat_destroy_cq, ibv_destroy_cq);
  set(ops._compat_create_srq, ibv_create_srq);
  set(ops._compat_modify_srq, ibv_modify_srq);
  set(ops._compat_query_srq, ibv_query_srq);
  set(ops._compat_destroy_srq, ibv_destroy_srq);
  set(ops._compat_create_qp, ibv_create_qp);
  set(ops._compat_query_qp, ibv_query_qp);
  set(ops._compat_modify_qp, ibv_modify_qp);
  set(ops._compat_destroy_qp, ibv_destroy_qp);
  set(ops._compat_create_ah, ibv_create_ah);
  set(ops._compat_destroy_ah, ibv_destroy_ah);
  set(ops._compat_attach_mcast, ibv_attach_mcast);
  set(ops._compat_detach_mcast, ibv_detach_mcast);
  set(ops._compat_async_event, told);
}

}  // namespace vb::door
