// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/context.h"

#include <unistd.h>

#include "verbs/async_events.h"
#include "verbs/cq.h"
#include "verbs/limits.h"
#include "verbs/link_watch.h"
#include "verbs/qp.h"
#include "verbs/share.h"
#include "verbs/srq.h"
#include "verbs/wq.h"

namespace vb {

namespace {

Result<Context*> make(Device& device, std::shared_ptr<Share> share, int cmd_fd) {
  auto events = std::make_unique<AsyncEvents>();
  if (auto opened = events->open(); !opened) return Error{opened.error()};
  auto* context = new Context;
  context->device = &device;
  context->events = events.release();
  context->share = std::move(share);
  ibv_context& abi = context->abi.context;
  abi.device = &device.abi;
  abi.cmd_fd = cmd_fd;
  abi.async_fd = context->events->fd();
  abi.num_comp_vectors = kCompVectors;
  pthread_mutex_init(&abi.mutex, nullptr);
  watch(*context);
  return context;
}

}  // namespace

Result<Context*> open_device(Device& device) {
  OpenShare opened = make_share(device.abi.name);
  auto context = make(device, std::move(opened.share), opened.fd);
  if (!context && opened.fd >= 0) close(opened.fd);
  return context;
}

bool is_command_fd(int fd) { return static_cast<bool>(find_share(fd)); }

Result<Context*> import_device(int cmd_fd) {
  auto opened = find_share(cmd_fd);
  if (!opened) return Error{opened.error()};
  auto devices = list_devices();
  if (!devices) return Error{devices.error()};
  for (Device* device : *devices) {
    if (opened->device == device->abi.name) return make(*device, std::move(opened->share), cmd_fd);
  }
  return Error{ENODEV};
}

Result<void> close_device(Context& context) {
  unwatch(context);
  release(context);
  return {};
}

void release(Context& context) {
  if (--context.uses != 0) return;
  pthread_mutex_destroy(&context.abi.context.mutex);
  if (context.abi.context.cmd_fd >= 0) close(context.abi.context.cmd_fd);
  delete context.events;
  delete &context;
}

namespace {

struct Acknowledged {
  pthread_mutex_t* mutex;
  pthread_cond_t* cond;
  uint32_t* completed;
  unsigned* sent;
};

/// Where an event's object counts. {} for events of a port or the device.
Acknowledged counters(const ibv_async_event& event) {
  switch (event.event_type) {
    case IBV_EVENT_CQ_ERR: {
      Cq& cq = Cq::from(event.element.cq);
      return {&cq.abi.mutex, &cq.abi.cond, &cq.abi.async_events_completed, &cq.async_sent};
    }
    case IBV_EVENT_QP_FATAL:
    case IBV_EVENT_QP_REQ_ERR:
    case IBV_EVENT_QP_ACCESS_ERR:
    case IBV_EVENT_COMM_EST:
    case IBV_EVENT_SQ_DRAINED:
    case IBV_EVENT_PATH_MIG:
    case IBV_EVENT_PATH_MIG_ERR:
    case IBV_EVENT_QP_LAST_WQE_REACHED: {
      Qp& qp = Qp::from(event.element.qp);
      return {&qp.abi.qp_base.mutex, &qp.abi.qp_base.cond, &qp.abi.qp_base.events_completed, &qp.async_sent};
    }
    case IBV_EVENT_SRQ_ERR:
    case IBV_EVENT_SRQ_LIMIT_REACHED: {
      Srq& srq = Srq::from(event.element.srq);
      return {&srq.abi.mutex, &srq.abi.cond, &srq.abi.events_completed, &srq.async_sent};
    }
    case IBV_EVENT_WQ_FATAL: {
      Wq& wq = Wq::from(event.element.wq);
      return {&wq.abi.mutex, &wq.abi.cond, &wq.abi.events_completed, &wq.async_sent};
    }
    default: return {};
  }
}

}  // namespace

Result<void> get_async_event(Context& context, ibv_async_event& event) {
  auto taken = context.events->take([](const ibv_async_event& each) {
    Acknowledged object = counters(each);
    if (!object.mutex) return;
    pthread_mutex_lock(object.mutex);
    ++*object.sent;
    pthread_mutex_unlock(object.mutex);
  });
  if (!taken) return Error{taken.error()};
  event = *taken;
  return {};
}

void ack_async_event(ibv_async_event& event) {
  Acknowledged object = counters(event);
  if (!object.mutex) return;
  pthread_mutex_lock(object.mutex);
  ++*object.completed;
  pthread_cond_broadcast(object.cond);
  pthread_mutex_unlock(object.mutex);
}

}  // namespace vb
