// SPDX-License-Identifier: BSD-2-Clause
// What all kinds of identifiers share: ports, sending, timers, events, the end. Connections are in connection.cc,
// datagram services in datagram.cc.
#include "cm/identifier.h"

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "cm/address.h"
#include "cm/manager.h"
#include "cm/next_hop.h"
#include "cm/timing.h"

namespace vb::cm {

namespace {

constexpr uint16_t kDiscardPort = 9;  // RFC 863

}  // namespace

Identifier::Identifier(Manager& manager, Space space, std::shared_ptr<Channel> channel)
    : manager_(manager), space_(space), channel_(std::move(channel)) {}

Identifier::~Identifier() {
  if (Manager::current() != &manager_) {
    // A forked child has closed what was the parent's.
    static_cast<void>(port_.release());
  }
}

Result<void> Identifier::bind(SocketAddress& address, const Socket::Options& options) {
  if (Manager::current() != &manager_) return Error{EBADF};
  auto socket = bind_port(space_, address, options);
  if (!socket) return Error{socket.error()};
  Hold hold(manager_);
  if (port_number_) manager_.unwatch(port_number_, *port_);
  port_ = std::move(*socket);
  local_ = address;
  port_number_ = manager_.watch(*port_, this);
  return {};
}

void Identifier::unbind() {
  if (Manager::current() != &manager_) return;
  Hold hold(manager_);
  release_port();
}

Result<uint16_t> Identifier::take_ephemeral_port() {
  if (Manager::current() != &manager_) return Error{EBADF};
  Hold hold(manager_);
  auto port = manager_.ephemeral_ports.take();
  if (port) ephemeral_ = *port;
  return port;
}

Result<void> Identifier::listen(int backlog) {
  if (Manager::current() != &manager_) return Error{EBADF};
  Hold hold(manager_);
  if (!port_ || state_ != State::kIdle) return Error{EINVAL};
  backlog_ = backlog;
  enter(State::kListening);
  port_->show_listener();
  return {};
}

void Identifier::set_addresses(const SocketAddress& local, const SocketAddress& remote) {
  if (Manager::current() != &manager_) return;
  Hold hold(manager_);
  local_ = local;
  remote_ = remote;
}

void Identifier::depend_on(uint32_t interface) {
  if (Manager::current() != &manager_) return;
  Hold hold(manager_);
  if (interface) return manager_.depend(*this, interface);
  manager_.stop_depending(*this);
}

Result<void> Identifier::resolve(uint64_t patience_ns) {
  if (Manager::current() != &manager_) return Error{EBADF};
  auto hop = next_hop(remote_);
  const bool known = !hop || is_known(*hop);
  {
    Hold hold(manager_);
    if (removed_) return Error{ENXIO};
    if (known || !manager_.await(*this, *hop)) {
      push(Kind::kAddressResolved, 0);
      return {};
    }
    enter(State::kResolving);
    attempts_ = 0;
    manager_.set_deadline(*this, clock_ns() + patience_ns);
    ask_for_neighbour();
  }
  if (!is_known(*hop)) return {};
  Hold hold(manager_);  // it came to be known before it was waited for
  neighbour_known();
  return {};
}

void Identifier::forget_way(bool bound) {
  if (Manager::current() != &manager_) return;
  Hold hold(manager_);
  if (ephemeral_) manager_.ephemeral_ports.give_back(std::exchange(ephemeral_, 0));
  if (!bound) release_port();
}

State Identifier::state() const {
  if (Manager::current() != &manager_) return State::kClosed;
  std::lock_guard guard(manager_.lock);
  return state_;
}

void Identifier::move_to(const std::shared_ptr<Channel>& channel) {
  if (Manager::current() != &manager_) return;
  Hold hold(manager_);
  if (channel_ == channel) return;
  std::vector<Event> waiting;
  if (channel_) waiting = channel_->extract(*this);
  channel_ = channel;
  for (const Event& event : waiting) {
    event.id->channel_ = channel;
    channel_->push(event);
  }
}

void Identifier::close() {
  if (Manager::current() != &manager_) return;
  auto keep = shared_from_this();
  Hold hold(manager_);
  std::vector<Event> waiting;
  if (channel_) waiting = channel_->extract(*this);
  channel_ = nullptr;
  manager_.stop_depending(*this);
  manager_.stop_waiting(*this);
  refuse_waiting(waiting);
  release_port();
  let_go();
  if (ephemeral_) manager_.ephemeral_ports.give_back(std::exchange(ephemeral_, 0));
}

/// Requests that the program has not taken go with their listener.
void Identifier::refuse_waiting(const std::vector<Event>& requests) {
  for (const Event& event : requests) {
    if (event.kind != Kind::kConnectRequest || event.id.get() == this) continue;
    if (event.id->channel_) event.id->channel_->extract(*event.id);
    event.id->channel_ = nullptr;
    event.id->let_go();
  }
}

void Identifier::release_port() {
  if (port_number_) manager_.unwatch(std::exchange(port_number_, 0), *port_);
  port_.reset();
}

void Identifier::post(Event event) {
  if (Manager::current() != &manager_) return;
  std::lock_guard guard(manager_.lock);
  event.id = shared_from_this();
  if (channel_ && !removed_) channel_->push(event);
}

// --- the manager's side ------------------------------------------------------------------------------------------

void Identifier::receive(const wire::CmMessage& message) {
  using wire::Cm;
  auto keep = shared_from_this();
  switch (message.header.type) {
    case Cm::kRequest: return on_request(message.request);
    case Cm::kWait: return on_wait();
    case Cm::kReply: return on_reply(message.reply);
    case Cm::kReady: return on_ready();
    case Cm::kReject: return on_reject(message.reject);
    case Cm::kDisconnect: return on_disconnect();
    case Cm::kDisconnected: return on_disconnected();
    case Cm::kInquire: return on_inquire(message.inquire);
    case Cm::kInform: return on_inform(message.inform);
    case Cm::kProbe: return on_probe();
    case Cm::kAlive: return;
  }
}

wire::CmMessage Identifier::message(wire::Cm type) const { return wire::make_cm_message(type, number_, peer_number_); }

/// Where the first message goes, and a number for its answers.
Result<void> Identifier::speak() {
  auto socket = manager_.hub(local_);
  if (!socket) return Error{socket.error()};
  socket_ = *socket;
  address_service();
  manager_.enroll(*this);
  return {};
}

/// Whoever answers from there is the peer from then on.
void Identifier::address_service() {
  destination_ = service_address(space_, remote_);
  peer_number_ = 0;
}

void Identifier::transmit(const wire::CmMessage& message) {
  if (socket_) socket_->send(destination_, message.bytes());
}

void Identifier::transmit_until_answered(const wire::CmMessage& message) {
  last_ = message;
  attempts_ = 1;
  waited_ = false;
  interval_ns_ = kFirstInterval;
  manager_.set_deadline(*this, clock_ns() + interval_ns_);
  transmit(last_);
}

void Identifier::stop_timer() { manager_.set_deadline(*this, 0); }

void Identifier::expired() {
  auto keep = shared_from_this();
  if (state_ == State::kResolving) {
    manager_.stop_waiting(*this);
    enter(State::kIdle);
    return push(Kind::kAddressError, -ETIMEDOUT);
  }
  if (state_ == State::kTimewait) {
    enter(State::kClosed);
    push(Kind::kTimewaitExit, 0);
    return finish();
  }
  if (state_ == State::kClosed || state_ == State::kInformed) {
    enter(State::kClosed);
    return finish();
  }
  if (attempts_ >= kAttempts) return give_up();
  ++attempts_;
  interval_ns_ = waited_ ? kWaitInterval : std::min(interval_ns_ * 2, kLastInterval);
  manager_.set_deadline(*this, clock_ns() + interval_ns_);
  transmit(last_);
}

void Identifier::give_up() {
  switch (state_) {
    case State::kRequestSent:
    case State::kReplySent:
    case State::kInquirySent:
      enter(State::kClosed);
      manager_.leave_peer(*this);
      push(Kind::kUnreachable, -ETIMEDOUT);
      return finish();
    case State::kDisconnectSent: return disconnected(-ETIMEDOUT);
    default: return finish();
  }
}

/// `reported`: the size that the event tells, the rest zero.
void Identifier::push(Kind kind, int status, PrivateData data, size_t reported) {
  if (!channel_ || removed_) return;
  Event event;
  event.kind = kind;
  event.status = status;
  event.id = shared_from_this();
  // What the peer says of itself comes with its request and its answer, and with nothing else.
  bool speaks = kind == Kind::kConnectRequest || kind == Kind::kConnectResponse || datagram_space(space_);
  if (speaks) event.peer = theirs_;
  event.peer.ece = theirs_.ece;
  if (kind == Kind::kConnectRequest) event.listener = std::move(listener_);
  if (!data.empty()) memcpy(event.data.data(), data.data(), std::min(data.size(), event.data.size()));
  event.data_size = static_cast<uint8_t>(reported);
  channel_->push(event);
}

/// Nothing more will come: an identifier without an owner goes.
void Identifier::finish() {
  if (state_ != State::kClosed) return;
  manager_.leave_peer(*this);
  manager_.leave_service(*this);
  stop_timer();
  if (orphan()) manager_.forget(*this);
}

/// The program hears it as the last thing, and the peer what it would hear if the program let go.
void Identifier::device_gone() {
  auto keep = shared_from_this();
  if (channel_) refuse_waiting(channel_->extract_requests(*this));
  if (has_events_) push(Kind::kDeviceRemoval, 0);
  removed_.store(true, std::memory_order_release);
  manager_.stop_depending(*this);
  manager_.stop_waiting(*this);
  release_port();
  let_go();
}

void Identifier::neighbour_known() {
  if (state_ != State::kResolving) return;
  manager_.stop_waiting(*this);
  stop_timer();
  enter(State::kIdle);
  push(Kind::kAddressResolved, 0);
}

void Identifier::ask_for_neighbour() {
  auto socket = manager_.hub(local_);
  if (!socket || attempts_++ >= kAttempts) return;
  SocketAddress nobody = remote_;
  set_port(nobody, kDiscardPort);
  (*socket)->send(nobody, {});
}

}  // namespace vb::cm
