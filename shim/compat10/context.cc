// SPDX-License-Identifier: BSD-2-Clause
// Devices and contexts of IBVERBS_1.0.
#include <map>
#include <memory>
#include <mutex>

#include "base/never_destroyed.h"
#include "compat10/door.h"

namespace compat10 = vb::compat10;
using compat10::Context;
using compat10::Cq;
using compat10::Device;
using compat10::Qp;
using compat10::Srq;

namespace vb::compat10 {
namespace {

std::mutex mutex;

/// One for each real device, for ever: programs keep devices beyond the list.
Device* device_of(ibv_device* real) {
  static NeverDestroyed<std::map<ibv_device*, Device>> devices;
  std::lock_guard guard(mutex);
  Device& device = (*devices)[real];
  device.real = real;
  return &device;
}

/// The real list stands in front of the one that the program gets.
Result<Device**> make_list(int* count) {
  int found = 0;
  ibv_device** real = ibv_get_device_list(&found);
  if (!real) return Error{errno};
  auto entries = std::make_unique<void*[]>(static_cast<size_t>(found) + 2);
  entries[0] = real;
  for (int i = 0; i < found; ++i) entries[i + 1] = device_of(real[i]);
  if (count) *count = found;
  return reinterpret_cast<Device**>(entries.release() + 1);
}

/// What an asynchronous event is about: the field, and the real object's pointer back to the program's.
void* back_to_the_program(const ibv_async_event& event) {
  switch (event.event_type) {
    case IBV_EVENT_CQ_ERR: return event.element.cq->cq_context;
    case IBV_EVENT_SRQ_ERR:
    case IBV_EVENT_SRQ_LIMIT_REACHED: return event.element.srq->srq_context;
    case IBV_EVENT_QP_FATAL:
    case IBV_EVENT_QP_REQ_ERR:
    case IBV_EVENT_QP_ACCESS_ERR:
    case IBV_EVENT_COMM_EST:
    case IBV_EVENT_SQ_DRAINED:
    case IBV_EVENT_PATH_MIG:
    case IBV_EVENT_PATH_MIG_ERR:
    case IBV_EVENT_QP_LAST_WQE_REACHED: return event.element.qp->qp_context;
    default: return nullptr;
  }
}

/// The real object of an event that the program has: the same cases, the other way.
ibv_async_event to_the_library(const ibv_async_event& event) {
  ibv_async_event result = event;
  void* object = event.element.qp;
  switch (event.event_type) {
    case IBV_EVENT_CQ_ERR: result.element.cq = static_cast<Cq*>(object)->real; break;
    case IBV_EVENT_SRQ_ERR:
    case IBV_EVENT_SRQ_LIMIT_REACHED: result.element.srq = static_cast<Srq*>(object)->real; break;
    case IBV_EVENT_QP_FATAL:
    case IBV_EVENT_QP_REQ_ERR:
    case IBV_EVENT_QP_ACCESS_ERR:
    case IBV_EVENT_COMM_EST:
    case IBV_EVENT_SQ_DRAINED:
    case IBV_EVENT_PATH_MIG:
    case IBV_EVENT_PATH_MIG_ERR:
    case IBV_EVENT_QP_LAST_WQE_REACHED: result.element.qp = static_cast<Qp*>(object)->real; break;
    default: break;
  }
  return result;
}

}  // namespace

/// ops.create_cq is not told the program's cq_context.
static Cq* create_plain_cq(Context* context, int cqe, Channel* channel, int vector) {
  return vb_ibv_create_cq_1_0(context, cqe, nullptr, channel, vector);
}

void fill_ops(Ops& ops) {
  ops = {vb_ibv_query_device_1_0,
         vb_ibv_query_port_1_0,
         vb_ibv_alloc_pd_1_0,
         vb_ibv_dealloc_pd_1_0,
         vb_ibv_reg_mr_1_0,
         vb_ibv_dereg_mr_1_0,
         create_plain_cq,
         poll_cq,
         req_notify_cq,
         [](Cq*) {},
         vb_ibv_resize_cq_1_0,
         vb_ibv_destroy_cq_1_0,
         vb_ibv_create_srq_1_0,
         vb_ibv_modify_srq_1_0,
         vb_ibv_query_srq_1_0,
         vb_ibv_destroy_srq_1_0,
         post_srq_recv,
         vb_ibv_create_qp_1_0,
         vb_ibv_query_qp_1_0,
         vb_ibv_modify_qp_1_0,
         vb_ibv_destroy_qp_1_0,
         post_send,
         post_recv,
         vb_ibv_create_ah_1_0,
         vb_ibv_destroy_ah_1_0,
         vb_ibv_attach_mcast_1_0,
         vb_ibv_detach_mcast_1_0};
}

}  // namespace vb::compat10

VB_DOOR Device** vb_ibv_get_device_list_1_0(int* count) {
  if (count) *count = 0;
  vb::Result<Device**> list = vb::door::guarded([&] { return compat10::make_list(count); });
  if (list) return *list;
  errno = list.error();
  return nullptr;
}

VB_DOOR void vb_ibv_free_device_list_1_0(Device** list) {
  if (!list) return;
  auto** entries = reinterpret_cast<void**>(list) - 1;
  ibv_free_device_list(static_cast<ibv_device**>(entries[0]));
  delete[] entries;
}

VB_DOOR const char* vb_ibv_get_device_name_1_0(Device* device) { return ibv_get_device_name(device->real); }
VB_DOOR __be64 vb_ibv_get_device_guid_1_0(Device* device) { return ibv_get_device_guid(device->real); }

VB_DOOR Context* vb_ibv_open_device_1_0(Device* device) {
  auto* context = compat10::wrap<Context>(ibv_open_device(device->real), ibv_close_device);
  if (!context) return nullptr;
  context->device = device;
  context->cmd_fd = context->real->cmd_fd;
  context->async_fd = context->real->async_fd;
  context->num_comp_vectors = context->real->num_comp_vectors;
  compat10::fill_ops(context->ops);
  compat10::enter(context);
  return context;
}

VB_DOOR int vb_ibv_close_device_1_0(Context* context) {
  compat10::leave(context);
  const int error = ibv_close_device(context->real);
  if (error == 0) {
    delete context;
  } else {
    compat10::enter(context);
  }
  return error;
}

/// A cancellation point: no guard.
VB_DOOR int vb_ibv_get_async_event_1_0(Context* context, ibv_async_event* event) {
  if (const int error = ibv_get_async_event(context->real, event); error != 0) return error;
  if (void* object = compat10::back_to_the_program(*event)) event->element.qp = static_cast<ibv_qp*>(object);
  return 0;
}

VB_DOOR void vb_ibv_ack_async_event_1_0(ibv_async_event* event) {
  ibv_async_event real = compat10::to_the_library(*event);
  ibv_ack_async_event(&real);
}

VB_DOOR int vb_ibv_query_device_1_0(Context* context, ibv_device_attr* attr) {
  return ibv_query_device(context->real, attr);
}

VB_DOOR int vb_ibv_query_port_1_0(Context* context, uint8_t port, _compat_ibv_port_attr* attr) {
  return ibv_query_port(context->real, port, attr);
}

VB_DOOR int vb_ibv_query_gid_1_0(Context* context, uint8_t port, int index, ibv_gid* gid) {
  return ibv_query_gid(context->real, port, index, gid);
}

VB_DOOR int vb_ibv_query_pkey_1_0(Context* context, uint8_t port, int index, __be16* pkey) {
  return ibv_query_pkey(context->real, port, index, pkey);
}
