// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/dct.h"

#include "transport/engine.h"
#include "verbs/async_events.h"
#include "verbs/device_registry.h"
#include "verbs/limits.h"
#include "verbs/qp_internal.h"

namespace vb {
namespace {

bool fits(const Context& context, const DctAttributes& attributes) {
  const ibv_context* mine = &context.abi.context;
  return attributes.pd && attributes.cq && attributes.srq && attributes.pd->abi.context == mine &&
         attributes.cq->abi.context == mine && attributes.srq->abi.context == mine &&
         attributes.srq->type == IBV_SRQT_BASIC && attributes.min_rnr_timer <= 31;
}

void use(const DctAttributes& attributes, int change) {
  attributes.pd->uses += change;
  attributes.cq->uses += change;
  attributes.srq->uses += change;
}

void push_event(const Dct& dct, int type) {
  ibv_async_event event{};
  event.event_type = static_cast<ibv_event_type>(type);
  event.element.qp = static_cast<ibv_qp*>(dct.attributes.element);
  dct.context.events->push(event);
}

void configure(Dct& dct) {
  const DctAttributes& attributes = dct.attributes;
  QueuePair::Config& config = dct.transport.config;
  config.lane = &engine().lane;
  config.pd = attributes.pd->domain;
  config.receive_pd = Pd::from(attributes.srq->abi.pd).domain;
  config.send_cq = config.recv_cq = &attributes.cq->queue;
  config.shared_receives = &attributes.srq->queue;
  dct.transport.path.access = attributes.access;
  dct.transport.path.min_rnr_timer = attributes.min_rnr_timer;
  dct.transport.path.max_dest_rd_atomic = kMaxRdAtomic;
}

}  // namespace

Dct::Dct(Context& of, const DctAttributes& with) : context(of), attributes(with), transport(with.key, *this) {}

void Dct::key_violated() {
  if (!std::exchange(armed, false) || transport.mute) return;
  push_event(*this, kDctKeyViolation);
}

void Dct::refused(ibv_event_type type) {
  if (transport.mute) return;
  push_event(*this, type == IBV_EVENT_QP_ACCESS_ERR ? kDctAccessError : kDctRequestError);
}

Result<Dct*> create_dct(Context& context, const DctAttributes& attributes) {
  if (!fits(context, attributes)) return Error{EINVAL};
  if (auto running = start_engine(); !running) return Error{running.error()};
  auto dct = std::make_unique<Dct>(context, attributes);
  configure(*dct);
  std::vector<SocketAddress> addresses = addresses_of(*context.device);
  Engine& self = engine();
  auto guard = self.lane.hold();
  auto number = self.router.allocate_qpn(context.device->index, addresses);
  if (!number) return Error{number.error()};
  dct->transport.qpn = *number;
  dct->transport.set_state(IBV_QPS_RTR);
  self.lane.add(dct->transport);
  guard.unlock();
  use(attributes, 1);
  ++context.uses;
  return dct.release();
}

Result<void> destroy_dct(Dct& dct) {
  Engine& self = engine();
  auto guard = self.lane.hold();
  silence(dct.transport, guard);
  self.lane.remove(dct.transport);
  self.router.free_qpn(dct.transport.qpn);
  guard.unlock();
  Context& context = dct.context;
  context.events->remove(
      [&](const ibv_async_event& event) { return AsyncEvents::about(event, dct.attributes.element); });
  const DctAttributes used = dct.attributes;
  delete &dct;
  use(used, -1);
  release(context);
  return {};
}

uint32_t key_violations(Dct& dct) {
  auto guard = engine().lane.hold();
  return dct.transport.key_violations;
}

void arm_dct(Dct& dct) {
  auto guard = engine().lane.hold();
  dct.armed = true;
}

}  // namespace vb
