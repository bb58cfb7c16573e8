// SPDX-License-Identifier: BSD-2-Clause
// Open devices and their asynchronous events.
#include "door.h"
#include "ofa_xrc.h"

using namespace vb;
using namespace vb::door;

namespace {

Result<Context*> with_tables(Result<Context*> context) {
  prepare_unwinding();
  if (context) fill_tables(**context);
  return context;
}

/// The context of the object that an asynchronous event is about.
ibv_context* context_of(const ibv_async_event& event, ibv_context* device_context) {
  switch (event.event_type) {
    case IBV_EVENT_CQ_ERR: return event.element.cq->context;
    case IBV_EVENT_SRQ_ERR:
    case IBV_EVENT_SRQ_LIMIT_REACHED: return event.element.srq->context;
    case IBV_EVENT_WQ_FATAL: return event.element.wq->context;
    case IBV_EVENT_QP_FATAL:
    case IBV_EVENT_QP_REQ_ERR:
    case IBV_EVENT_QP_ACCESS_ERR:
    case IBV_EVENT_COMM_EST:
    case IBV_EVENT_SQ_DRAINED:
    case IBV_EVENT_PATH_MIG:
    case IBV_EVENT_PATH_MIG_ERR:
    case IBV_EVENT_QP_LAST_WQE_REACHED: return event.element.qp->context;
    default: return device_context;
  }
}

}  // namespace

VB_DOOR ibv_context* ibv_open_device(ibv_device* device) {
  if (!ours(device)) return native_ibv_open_device(device);
  return pointer_entry([&] { return with_tables(open_device(Device::from(device))); });
}

VB_DOOR ibv_context* ibv_import_device(int cmd_fd) {
  if (!is_command_fd(cmd_fd)) return native_ibv_import_device(cmd_fd);
  return pointer_entry([&] { return with_tables(import_device(cmd_fd)); });
}

VB_DOOR int ibv_close_device(ibv_context* context) {
  if (!ours(context)) return native_ibv_close_device(context);
  return errno_entry([&] { return close_device(Context::from(context)); });
}

/// A cancellation point: no guard.
VB_DOOR int ibv_get_async_event(ibv_context* context, ibv_async_event* event) {
  if (!ours(context)) return native_ibv_get_async_event(context, event);
  Result<void> got = get_async_event(Context::from(context), *event);
  if (got) name_by_number(*event);
  return as_minus_one(got);
}

/// Events of a port or a device name no context and count nothing, so acknowledging one is nothing to do.
VB_DOOR void ibv_ack_async_event(ibv_async_event* event) {
  name_by_object(*event);
  ibv_context* context = context_of(*event, nullptr);
  if (!context) return;
  if (!ours(context)) return native_ibv_ack_async_event(event);
  ack_async_event(*event);
}
