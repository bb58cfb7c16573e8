// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/shared_target.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <utility>

#include "base/log.h"
#include "base/never_destroyed.h"
#include "transport/engine.h"
#include "verbs/qp_internal.h"

namespace vb {

using wire::TargetCall;
using wire::TargetMessage;

namespace {

constexpr int kMostStrangers = 64;

/// Where a slot's openers connect.
class TargetDoor final : public Pollable {
 public:
  explicit TargetDoor(Fd socket) : socket_(std::move(socket)) {
    engine().router.poller().add(socket_.get(), EPOLLIN, *this);
  }
  void ready(uint32_t) override;

 private:
  void limit_strangers();

  Fd socket_;
  List<TargetHolder> strangers_;  ///< who has opened nothing yet, the oldest first
};

using Doors = std::map<std::pair<Engine*, uint32_t>, TargetDoor*>;  // a forked child has an engine of its own

Doors& doors() {
  static NeverDestroyed<Doors> all;
  return *all;
}

/// Strangers that say nothing must not keep others out: the oldest of them goes.
void TargetDoor::limit_strangers() {
  int count = 0;
  strangers_.for_each([&](TargetHolder&) { ++count; });
  if (count >= kMostStrangers) strangers_.pop_front().give_up();
}

void TargetDoor::ready(uint32_t) {
  for (int accepted = 0; accepted < kMostStrangers; ++accepted) {
    Fd socket = engine().router.accept(*this, socket_.get());
    if (!socket) return;
    limit_strangers();
    strangers_.push_back(*new TargetHolder(std::move(socket)));
  }
}

/// The lane's lock, which whoever calls the helper's handlers holds, for calls that may give it away in between.
class HeldLane {
 public:
  std::unique_lock<Lane> guard{engine().lane, std::adopt_lock};
  ~HeldLane() {
    if (!guard.owns_lock()) guard.lock();
    guard.release();
  }
};

}  // namespace

void let_others_open(const Device& device, uint32_t slot) {
  auto [door, fresh] = doors().try_emplace({&engine(), slot}, nullptr);
  if (!fresh) return;
  auto socket = listen_for_openers(device.netdev, slot);
  if (!socket)
    return log(LogLevel::warn, "other processes cannot open XRC targets of this one: %s", strerror(socket.error()));
  door->second = new TargetDoor(std::move(*socket));
}

TargetHolder::TargetHolder(Fd socket) : socket_(std::move(socket)) {
  engine().router.poller().add(socket_.get(), EPOLLIN, *this);
}

TargetHolder::~TargetHolder() { engine().router.poller().remove(socket_.get()); }

/// One message at a time, as who asks has one question at a time: another holder, or a peer, may come in between.
void TargetHolder::ready(uint32_t) {
  TargetMessage message;
  const Received got = receive_message(socket_, message);
  if (got == Received::kNothing || (got == Received::kMessage && answer(message))) return;
  let_go();
  delete this;
}

void TargetHolder::give_up() { shutdown(socket_.get(), SHUT_RDWR); }

namespace {
bool refuse() {
  ++engine().router.rejected;
  return false;
}
}  // namespace

/// False: the connection ends.
bool TargetHolder::answer(TargetMessage& message) {
  if ((message.call == TargetCall::kOpen) == (target_ != nullptr)) return refuse();
  switch (message.call) {
    case TargetCall::kOpen: message.error = open(message); break;
    case TargetCall::kModify: message.error = modify(message); break;
    case TargetCall::kQuery: message.error = 0; break;
    case TargetCall::kClose: let_go(); break;
    default: return refuse();
  }
  if (target_) describe(message);
  return send_message(socket_, message) && target_;
}

int TargetHolder::open(TargetMessage& message) {
  Qp* target = find_target(message.qpn);
  const uint32_t slot = message.qpn >> kSlotBits;
  if (!target || !target->domain->vouched_elsewhere(message.voucher, {XrcDomain::Side::kOpener, slot})) return EINVAL;
  unlink();
  target_ = target;
  target->holders.push_back(*this);
  voucher_ = XrcDomain::Voucher(target->domain, {XrcDomain::Side::kOwner, slot});
  message.voucher = voucher_.number();
  return 0;
}

int TargetHolder::modify(const TargetMessage& message) {
  HeldLane held;
  return modify_target(*target_, message.attr, static_cast<int>(message.mask), held.guard).error();
}

/// Every answer says what the target is now.
void TargetHolder::describe(TargetMessage& message) const {
  ibv_qp_init_attr ignored{};
  query_target(*target_, message.attr, ignored);
}

void TargetHolder::let_go() {
  unlink();
  Qp* target = std::exchange(target_, nullptr);
  if (!target || !is_unused(*target)) return;
  HeldLane held;
  destroy_target(*target, held.guard);
}

void TargetHolder::tell(ibv_event_type event) {
  TargetMessage message;
  message.call = TargetCall::kEvent;
  message.event = event;
  if (!send_message(socket_, message))
    log(LogLevel::warn, "who has opened XRC target %06x misses an event", target_->transport.qpn);
}

}  // namespace vb
