// SPDX-License-Identifier: BSD-2-Clause
// XRC targets have several handles (ibv_open_qp): of the process that made them, and of others of their domain.
#include <cstddef>
#include <cstring>

#include "transport/engine.h"
#include "verbs/comp_cntr.h"
#include "verbs/opened_target.h"
#include "verbs/qp_internal.h"
#include "verbs/shared_target.h"

namespace vb {

namespace {

/// What there is beside a QP's handle: its target, which other handles may have.
Result<Qp*> open_here(Qp& target, const ibv_qp_init_attr& init) {
  auto handle = std::make_unique<Qp>(target);
  handle->init = init;
  target.opened.push_back(handle.get());
  return handle.release();
}

/// A handle with a queue pair that does nothing: all is done where the target is.
Result<Qp*> open_elsewhere(Xrcd& xrcd, uint32_t device, uint32_t qpn, const ibv_qp_init_attr& init) {
  if (auto running = start_helper(); !running) return Error{running.error()};
  auto opened = OpenedTarget::open(xrcd.domain, device, qpn);
  if (!opened) return Error{opened.error()};
  auto handle = std::make_unique<Qp>(std::make_unique<ConnectedQueuePair>());
  QueuePair& nothing = handle->transport;
  if (!nothing.send_queue.open(0, 0, 0) || !nothing.receive_queue.open(0, 0, nullptr)) return Error{ENOMEM};
  handle->init = init;
  nothing.qpn = qpn;
  nothing.config.lane = &engine().lane;
  nothing.config.type = IBV_QPT_XRC_RECV;
  handle->elsewhere = std::move(*opened);
  return handle.release();
}

}  // namespace

Qp* find_target(uint32_t qpn, const XrcDomain* domain) {
  QueuePair* found = engine().lane.find(qpn);
  if (!found || found->config.type != IBV_QPT_XRC_RECV) return nullptr;
  Qp& target = static_cast<Qp::Events*>(found->config.listener)->qp;
  const bool matches = domain ? target.domain.get() == domain : target.domain->inode() != 0;
  return matches && !is_unused(target) ? &target : nullptr;
}

bool is_unused(const Qp& target) {
  return target.closed && !target.leaving && target.opened.empty() && target.holders.empty();
}

void destroy_target(Qp& target, std::unique_lock<Lane>& guard) {
  destroy_transport(target, guard);
  detach_comp_cntrs(target);
  delete &target;
}

Result<Qp*> open_qp(Context& context, const ibv_qp_open_attr& attr) {
  constexpr uint32_t kNeeded = IBV_QP_OPEN_ATTR_NUM | IBV_QP_OPEN_ATTR_XRCD | IBV_QP_OPEN_ATTR_TYPE;
  if (attr.comp_mask & ~(kNeeded | IBV_QP_OPEN_ATTR_CONTEXT)) return Error{EOPNOTSUPP};
  if ((attr.comp_mask & kNeeded) != kNeeded || !attr.xrcd || attr.qp_type != IBV_QPT_XRC_RECV) return Error{EINVAL};
  Xrcd& xrcd = Xrcd::from(attr.xrcd);
  ibv_qp_init_attr init{};
  init.qp_context = (attr.comp_mask & IBV_QP_OPEN_ATTR_CONTEXT) ? attr.qp_context : nullptr;
  init.qp_type = IBV_QPT_XRC_RECV;
  auto guard = engine().lane.hold();
  Qp* target = find_target(attr.qp_num, xrcd.domain.get());
  if (!target) guard.unlock();
  auto handle = target ? open_here(*target, init) : open_elsewhere(xrcd, context.device->netdev, attr.qp_num, init);
  if (!handle) return handle;
  if (!target) guard.lock();
  (*handle)->xrcd = &xrcd;
  ++xrcd.uses;
  ++context.uses;
  fill_handle(**handle, {context, nullptr, &xrcd});
  if (!target) (*handle)->elsewhere->serve(**handle);
  return handle;
}

Result<void> modify_elsewhere(Qp& handle, const ibv_qp_attr& attr, int mask, std::unique_lock<Lane>& guard) {
  wire::TargetMessage message;
  message.call = wire::TargetCall::kModify;
  message.mask = static_cast<uint32_t>(mask);
  memcpy(&message.attr, &attr, offsetof(ibv_qp_attr, rate_limit));  // where the structure of older programs ends
  return handle.elsewhere->ask(message, guard);
}

Result<void> learn_elsewhere(Qp& handle, std::unique_lock<Lane>& guard) {
  wire::TargetMessage message;
  message.call = wire::TargetCall::kQuery;
  auto answered = handle.elsewhere->ask(message, guard);
  return answered.error() == EIO ? Result<void>() : answered;
}

}  // namespace vb
