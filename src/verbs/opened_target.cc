// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/opened_target.h"

#include <sys/epoll.h>

#include "base/clock.h"
#include "transport/engine.h"
#include "verbs/async_events.h"
#include "verbs/context.h"
#include "verbs/qp_internal.h"

namespace vb {

using wire::TargetCall;
using wire::TargetMessage;

namespace {

constexpr int kOpenPatience = 20'000;  ///< ms: an owner that loads its fabric answers late
constexpr uint64_t kAnswerPatience = 20 * kSecond;
constexpr size_t kMostEvents = 64;  ///< that the program has not taken; a target has a few kinds, and tells each once
constexpr int kMostErrno = 4095;    ///< of the kernel's

}  // namespace

Result<std::shared_ptr<OpenedTarget>> OpenedTarget::open(const std::shared_ptr<XrcDomain>& domain, uint32_t device,
                                                         uint32_t qpn) {
  const uint32_t slot = qpn >> kSlotBits;
  if (!domain->has_member(slot)) return Error{EINVAL};
  auto socket = connect_to_owner(device, slot);
  if (!socket) return Error{socket.error() == EAGAIN ? ETIMEDOUT : EINVAL};
  const XrcDomain::Voucher voucher(domain, {XrcDomain::Side::kOpener, slot});
  TargetMessage message;
  message.qpn = qpn;
  message.voucher = voucher.number();
  if (!send_message(*socket, message)) return Error{EINVAL};
  const Received got = wait_for_message(*socket, message, kOpenPatience);
  if (got == Received::kNothing) return Error{ETIMEDOUT};
  const bool opened = got == Received::kMessage && message.call == TargetCall::kOpen && message.error == 0;
  if (!opened || !domain->vouched_elsewhere(message.voucher, {XrcDomain::Side::kOwner, slot})) return Error{EINVAL};
  auto target = std::make_shared<OpenedTarget>(std::move(*socket));
  target->answer_ = message;
  return target;
}

void OpenedTarget::serve(Qp& handle) {
  handle_ = &handle;
  engine_ = &engine();
  take(answer_);
  engine().router.poller().add(socket_.get(), EPOLLIN, *this);
}

bool OpenedTarget::left_behind() const { return engine_ != &engine(); }

Result<void> OpenedTarget::ask(TargetMessage& message, std::unique_lock<Lane>& guard) {
  Lane& lane = engine().lane;
  const uint64_t give_up = clock_ns() + kAnswerPatience;
  const auto wait_until = [&](auto done) {
    while (!done() && socket_ && !lane.closed() && clock_ns() < give_up) lane.pass_for_others(guard);
  };
  wait_until([&] { return !asking_; });
  if (asking_) return Error{ETIMEDOUT};
  message.number = ++asked_;
  answered_ = false;
  if (!socket_ || left_behind() || !send_message(socket_, message)) return Error{EIO};
  asking_ = true;
  wait_until([&] { return answered_; });
  asking_ = false;
  if (!answered_) return Error{socket_ ? ETIMEDOUT : EIO};
  message = answer_;
  if (message.error == 0) return {};
  return Error{message.error > 0 && message.error <= kMostErrno ? message.error : EIO};
}

void OpenedTarget::close(std::shared_ptr<OpenedTarget> self, std::unique_lock<Lane>& guard) {
  TargetMessage message;
  message.call = TargetCall::kClose;
  if (self->left_behind()) {
    new Fd(std::move(self->socket_));  // the number is another descriptor's now, if any's
    return;
  }
  if (self->socket_) (void)self->ask(message, guard);
  self->handle_ = nullptr;
  Poller& poller = engine().router.poller();
  if (self->socket_) poller.remove(self->socket_.get());
  self->socket_.reset();
  poller.retire(std::move(self));
}

/// One message at a time: others may come in between.
void OpenedTarget::ready(uint32_t) {
  TargetMessage message;
  if (!socket_) return;
  const Received got = receive_message(socket_, message);
  if (got == Received::kGone) return lose();
  if (got == Received::kMessage) take(message);
}

/// What an owner tells may not fill our memory.
void OpenedTarget::take_event(const TargetMessage& message) {
  const void* qp = &handle_->abi.qp_base;
  AsyncEvents& events = *Context::from(handle_->abi.qp_base.context).events;
  const size_t waiting = events.count([qp](const ibv_async_event& each) { return AsyncEvents::about(each, qp); });
  if (!wire::is_target_event(message.event) || waiting >= kMostEvents) {
    ++engine().router.rejected;
  } else {
    push_event(*handle_, static_cast<ibv_event_type>(message.event));
  }
}

/// An answer, or an event.
void OpenedTarget::take(const TargetMessage& message) {
  if (message.call == TargetCall::kEvent) return take_event(message);
  handle_->attr = message.attr;
  if (message.attr.qp_state <= IBV_QPS_ERR) handle_->transport.set_state(message.attr.qp_state);
  if (message.number != asked_) return;  // somebody has given up waiting for it
  answer_ = message;
  answered_ = true;
}

void OpenedTarget::lose() {
  engine().router.poller().remove(socket_.get());
  socket_.reset();
  handle_->transport.set_state(IBV_QPS_ERR);
  push_event(*handle_, IBV_EVENT_QP_FATAL);
}

}  // namespace vb
