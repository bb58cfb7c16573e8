// SPDX-License-Identifier: BSD-2-Clause
// The symbols of IBVERBS_1.0: each translates handles and structures and calls the function of today, ours or (through
// it) the system library's. So programs of that age have real devices too.
//
// An entry point is named as scripts/gen-abi names what the door jumps to: vb_<symbol>_1_0.
#pragma once

#include "compat10/layout.h"
#include "compat10/registry.h"
#include "ibverbs/door.h"

namespace vb::compat10 {

/// A wrapper of a real object. Without memory for one the real object goes again: `undo`.
template <class Wrapper, class Real>
Wrapper* wrap(Real* real, int (*undo)(Real*)) {
  if (!real) return nullptr;
  auto* wrapper = new (std::nothrow) Wrapper{};
  if (wrapper) {
    wrapper->real = real;
  } else {
    (void)undo(real);
    errno = ENOMEM;
  }
  return wrapper;
}

/// Destroys the real object and, if that went well, its wrapper.
template <class Wrapper, class Real>
int unwrap(Wrapper* wrapper, int (*destroy)(Real*)) {
  const int error = destroy(wrapper->real);
  if (error == 0) delete wrapper;
  return error;
}

template <class Wrapper>
auto real_or_null(Wrapper* wrapper) -> decltype(wrapper->real) {
  return wrapper ? wrapper->real : nullptr;
}

void fill_ops(Ops& ops);

// The data path (post.cc).
int post_send(Qp* qp, SendWr* wr, SendWr** bad_wr);
int post_recv(Qp* qp, RecvWr* wr, RecvWr** bad_wr);
int post_srq_recv(Srq* srq, RecvWr* wr, RecvWr** bad_wr);
int poll_cq(Cq* cq, int count, ibv_wc* wc);
int req_notify_cq(Cq* cq, int solicited_only);

}  // namespace vb::compat10

VB_DOOR vb::compat10::Device** vb_ibv_get_device_list_1_0(int* count);
VB_DOOR void vb_ibv_free_device_list_1_0(vb::compat10::Device** list);
VB_DOOR const char* vb_ibv_get_device_name_1_0(vb::compat10::Device* device);
VB_DOOR __be64 vb_ibv_get_device_guid_1_0(vb::compat10::Device* device);
VB_DOOR vb::compat10::Context* vb_ibv_open_device_1_0(vb::compat10::Device* device);
VB_DOOR int vb_ibv_close_device_1_0(vb::compat10::Context* context);
VB_DOOR int vb_ibv_get_async_event_1_0(vb::compat10::Context* context, ibv_async_event* event);
VB_DOOR void vb_ibv_ack_async_event_1_0(ibv_async_event* event);
VB_DOOR int vb_ibv_query_device_1_0(vb::compat10::Context* context, ibv_device_attr* attr);
VB_DOOR int vb_ibv_query_port_1_0(vb::compat10::Context* context, uint8_t port, _compat_ibv_port_attr* attr);
VB_DOOR int vb_ibv_query_gid_1_0(vb::compat10::Context* context, uint8_t port, int index, ibv_gid* gid);
VB_DOOR int vb_ibv_query_pkey_1_0(vb::compat10::Context* context, uint8_t port, int index, __be16* pkey);
VB_DOOR vb::compat10::Pd* vb_ibv_alloc_pd_1_0(vb::compat10::Context* context);
VB_DOOR int vb_ibv_dealloc_pd_1_0(vb::compat10::Pd* pd);
VB_DOOR vb::compat10::Mr* vb_ibv_reg_mr_1_0(vb::compat10::Pd* pd, void* addr, size_t length, int access);
VB_DOOR int vb_ibv_dereg_mr_1_0(vb::compat10::Mr* mr);
VB_DOOR vb::compat10::Cq* vb_ibv_create_cq_1_0(vb::compat10::Context* context, int cqe, void* cq_context,
                                               vb::compat10::Channel* channel, int vector);
VB_DOOR int vb_ibv_resize_cq_1_0(vb::compat10::Cq* cq, int cqe);
VB_DOOR int vb_ibv_destroy_cq_1_0(vb::compat10::Cq* cq);
VB_DOOR int vb_ibv_get_cq_event_1_0(vb::compat10::Channel* channel, vb::compat10::Cq** cq, void** cq_context);
VB_DOOR void vb_ibv_ack_cq_events_1_0(vb::compat10::Cq* cq, unsigned count);
VB_DOOR vb::compat10::Srq* vb_ibv_create_srq_1_0(vb::compat10::Pd* pd, vb::compat10::SrqInitAttr* attr);
VB_DOOR int vb_ibv_modify_srq_1_0(vb::compat10::Srq* srq, ibv_srq_attr* attr, int mask);
VB_DOOR int vb_ibv_query_srq_1_0(vb::compat10::Srq* srq, ibv_srq_attr* attr);
VB_DOOR int vb_ibv_destroy_srq_1_0(vb::compat10::Srq* srq);
VB_DOOR vb::compat10::Qp* vb_ibv_create_qp_1_0(vb::compat10::Pd* pd, vb::compat10::QpInitAttr* attr);
VB_DOOR int vb_ibv_modify_qp_1_0(vb::compat10::Qp* qp, ibv_qp_attr* attr, int mask);
VB_DOOR int vb_ibv_query_qp_1_0(vb::compat10::Qp* qp, ibv_qp_attr* attr, int mask, vb::compat10::QpInitAttr* init);
VB_DOOR int vb_ibv_destroy_qp_1_0(vb::compat10::Qp* qp);
VB_DOOR vb::compat10::Ah* vb_ibv_create_ah_1_0(vb::compat10::Pd* pd, ibv_ah_attr* attr);
VB_DOOR int vb_ibv_destroy_ah_1_0(vb::compat10::Ah* ah);
VB_DOOR int vb_ibv_attach_mcast_1_0(vb::compat10::Qp* qp, ibv_gid* gid, uint16_t lid);
VB_DOOR int vb_ibv_detach_mcast_1_0(vb::compat10::Qp* qp, ibv_gid* gid, uint16_t lid);
