// SPDX-License-Identifier: BSD-2-Clause
#include "cm/manager.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <cstdlib>

#include "base/clock.h"
#include "base/fork.h"
#include "base/log.h"
#include "base/random.h"
#include "cm/address.h"
#include "cm/timing.h"
#include "transport/engine.h"
#include "verbs/link_watch.h"

namespace vb::cm {

namespace {

std::atomic<Manager*> the_manager{nullptr};
SpinLock making;

// In the epoll set.
constexpr uint64_t kTimer = 0;
constexpr uint64_t kNeighbours = 1;

void forget_manager() {
  the_manager.store(nullptr);
  new (&making) SpinLock;
}

/// Not where a signal handler has called exit() in the middle of a call of ours.
void part() {
  if (locks_held != 0) return;
  if (Manager* manager = Manager::current()) manager->close();
}

void lost(uint32_t qpn) {
  if (Manager* manager = Manager::current()) manager->queue_pair_lost(qpn);
}

void gone(uint32_t interface) {
  if (Manager* manager = Manager::current()) manager->interface_gone(interface);
}

}  // namespace

Manager* Manager::current() { return the_manager.load(std::memory_order_acquire); }

Result<Manager*> Manager::get() {
  if (Manager* manager = current()) return manager;
  if (auto running = start_engine(); !running) return Error{running.error()};
  std::lock_guard guard(making);
  if (Manager* manager = current()) return manager;
  auto manager = std::make_unique<Manager>();
  if (auto opened = manager->open(); !opened) return Error{opened.error()};
  static std::atomic<bool> registered{false};
  if (!registered.exchange(true)) {
    on_fork(forget_manager);
    atexit(part);
  }
  {
    auto guard = engine().lane.hold();
    engine().lane.queue_pair_lost = lost;
  }
  on_interface_gone(gone);
  the_manager.store(manager.get(), std::memory_order_release);
  return manager.release();
}

Result<void> Manager::open() {
  epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  timer_ = Fd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!epoll_ || !timer_) return Error{errno};
  epoll_event event{EPOLLIN, {}};
  event.data.u64 = kTimer;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, timer_.get(), &event) != 0) return Error{errno};
  close_in_child(timer_.get());
  engine().router.poller().add(epoll_.get(), EPOLLIN, *this);
  return {};
}

/// An epoll set in the helper's epoll set: what is removed under our lock cannot be reported any more.
void Manager::ready(uint32_t) {
  std::lock_guard guard(lock);
  epoll_event event;
  for (int i = 0; i < kEventsPerPass && epoll_wait(epoll_.get(), &event, 1, 0) == 1; ++i) {
    if (event.data.u64 == kTimer) {
      expire_timers();
      continue;
    }
    if (event.data.u64 == kNeighbours) {
      neighbours_changed();
      continue;
    }
    auto found = watched_.find(event.data.u64);
    if (found == watched_.end()) continue;
    Watched watched = found->second;
    serve(watched);
  }
  arm();
}

void Manager::serve(Watched& watched) {
  unsigned char buffer[wire::kMaxCmMessage + 1];
  // A message may close the socket that it came by, so one at a time: the set is level-triggered.
  Socket::Datagram datagram;
  switch (watched.socket->receive(buffer, datagram)) {
    case Socket::Arrival::kNone: return;
    case Socket::Arrival::kRefused: return came_back(datagram, {buffer, datagram.size});
    case Socket::Arrival::kDatagram: break;
  }
  wire::CmMessage message;
  if (!wire::parse_cm_message({buffer, datagram.size}, message)) {
    ++rejected;
    return;
  }
  dispatch(watched, datagram, message);
}

namespace {

/// What may answer a request or an inquiry, or ask the one who made it.
bool may_come_first(wire::Cm type) {
  using wire::Cm;
  return type == Cm::kReply || type == Cm::kReject || type == Cm::kWait || type == Cm::kInform || type == Cm::kProbe;
}

}  // namespace

void Manager::dispatch(const Watched& watched, const Socket::Datagram& datagram, const wire::CmMessage& message) {
  using wire::Cm;
  Cm type = message.header.type;
  if (type == Cm::kRequest || type == Cm::kInquire) return arrive(watched, datagram, message);
  std::shared_ptr<Identifier> id = receiver_of(datagram, message);
  bool known = id != nullptr;
  // An end speaks from the host that it was connected to, and keeps its number.
  if (id)
    known = same_host(id->destination_, datagram.peer) &&
            (id->peer_number_ == 0 || id->peer_number_ == message.header.sender);
  if (known && id->peer_number_ == 0) known = may_come_first(type);
  if (!known) {
    ++rejected;
    // Whoever waits for an answer learns that nobody is there.
    if (type == Cm::kReply || type == Cm::kProbe) refuse(datagram, message, kRejectInvalidId);
    if (type == Cm::kDisconnect) {
      watched.socket->send(datagram.peer,
                           make_cm_message(Cm::kDisconnected, message.header.receiver, message.header.sender).bytes());
    }
    return;
  }
  if (id->peer_number_ == 0) {
    id->peer_number_ = message.header.sender;
    // A service answers from its process's own socket, not from the port that was asked.
    id->destination_ = datagram.peer;
  }
  id->receive(message);
}

std::shared_ptr<Identifier> Manager::receiver_of(const Socket::Datagram& datagram, const wire::CmMessage& message) {
  if (message.header.receiver == 0) {
    auto found = by_peer_.find({key_of(datagram.peer), message.header.sender});
    return found == by_peer_.end() ? nullptr : found->second->shared_from_this();
  }
  auto found = identifiers_.find(message.header.receiver);
  return found == identifiers_.end() ? nullptr : found->second;
}

/// A request, or a datagram service's inquiry.
void Manager::arrive(const Watched& watched, const Socket::Datagram& datagram, const wire::CmMessage& message) {
  bool inquiry = message.header.type == wire::Cm::kInquire;
  PeerName name{key_of(datagram.peer), message.header.sender};
  if (auto known = by_peer_.find(name); known != by_peer_.end()) {
    known->second->shared_from_this()->receive(message);
    return;
  }
  // A wildcard socket hears on every interface; what is not a device's address is not ours.
  if (!find_place(datagram.local)) {
    ++rejected;
    return;
  }
  Identifier* listener = watched.owner;
  uint16_t port = inquiry ? message.inquire.service_port : message.request.service_port;
  uint16_t space = inquiry ? message.inquire.space : message.request.space;
  // Nobody can hear of a request on a channel that was destroyed before its listener.
  bool heard = listener && listener->channel_ && !listener->channel_->closed();
  bool served = heard && listener->state_ == State::kListening && port == port_of(listener->local_) &&
                space == static_cast<uint16_t>(listener->space_) && inquiry == datagram_space(listener->space_);
  if (!served) return refuse(datagram, message, kRejectNoService);
  // Like a lost datagram: it will come again.
  if (listener->backlog_ <= 0) return;
  auto socket = hub(datagram.local);
  if (!socket) return;
  --listener->backlog_;
  auto id = std::make_shared<Identifier>(*this, listener->space_, listener->channel_);
  id->listener_ = listener->shared_from_this();
  id->has_events_ = false;
  id->socket_ = *socket;
  id->destination_ = datagram.peer;
  id->peer_number_ = message.header.sender;
  id->local_ = datagram.local;
  set_port(id->local_, port);
  id->remote_ = datagram.peer;
  enroll(*id);
  by_peer_[name] = id.get();
  id->receive(message);
}

void Manager::refuse(const Socket::Datagram& datagram, const wire::CmMessage& message, Reason reason) {
  auto socket = hub(datagram.local);
  if (!socket) return;
  bool inquiry = message.header.type == wire::Cm::kInquire;
  uint64_t self = message.header.receiver ? message.header.receiver : random_value<uint64_t>() | 1;
  wire::CmMessage answer =
      make_cm_message(inquiry ? wire::Cm::kInform : wire::Cm::kReject, self, message.header.sender);
  if (inquiry) {
    answer.inform.status = kInformUnsupported;
  } else {
    answer.reject.reason = reason;
  }
  (*socket)->send(datagram.peer, answer.bytes());
}

/// A datagram of ours that no socket took: nobody is there.
void Manager::came_back(const Socket::Datagram& datagram, std::span<const unsigned char> bytes) {
  wire::CmHeader header;
  if (!wire::parse_cm_header(bytes, header)) return;
  auto found = identifiers_.find(header.sender);
  if (found == identifiers_.end()) return;
  // A request that was sent again to a listener that has gone says nothing about the process that answered meanwhile.
  if (key_of(found->second->destination_) != key_of(datagram.peer)) return;
  // A first message names no receiver.
  if (header.receiver != 0 && found->second->peer_number_ != header.receiver) return;
  std::shared_ptr<Identifier> id = found->second;
  if (id->peer_) return peer_dead(*id->peer_);
  id->refused();
}

void Manager::close() {
  std::lock_guard guard(lock);
  std::vector<std::shared_ptr<Identifier>> all;
  for (auto& [number, id] : identifiers_) all.push_back(id);
  for (auto& id : all) id->let_go();
}

void Manager::queue_pair_lost(uint32_t qpn) {
  std::lock_guard guard(lock);
  auto [first, last] = by_qpn_.equal_range(qpn);
  std::vector<std::shared_ptr<Identifier>> lost;
  for (auto each = first; each != last; ++each) lost.push_back(each->second->shared_from_this());
  for (auto& id : lost) id->peer_lost();
  arm();
}

void Manager::interface_gone(uint32_t index) {
  std::lock_guard guard(lock);
  std::vector<std::shared_ptr<Identifier>> dependent;
  for (auto& [id, interface] : interface_of_) {
    if (interface == index) dependent.push_back(id->shared_from_this());
  }
  for (auto& id : dependent) id->device_gone();
  arm();
}

// --- neighbours --------------------------------------------------------------------------------------------------

bool Manager::await(Identifier& id, const NextHop& hop) {
  if (!neighbours_.is_open()) {
    if (!neighbours_.open()) return false;
    epoll_event event{EPOLLIN, {}};
    event.data.u64 = kNeighbours;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, neighbours_.fd(), &event) != 0) return false;
  }
  hops_[&id] = hop;
  return true;
}

void Manager::stop_waiting(Identifier& id) {
  if (hops_.erase(&id) == 0 || !hops_.empty()) return;
  neighbours_.close();  // which leaves the epoll set
}

void Manager::neighbours_changed() {
  bool lost = false;
  const std::vector<NeighbourWatch::News> news = neighbours_.read(lost);
  std::vector<std::shared_ptr<Identifier>> known;
  for (auto& [id, hop] : hops_) {
    bool found = lost && is_known(hop);
    for (const NeighbourWatch::News& each : news) {
      if (!(each.hop == hop)) continue;
      found |= each.known;
      if (!each.known) id->ask_for_neighbour();
    }
    if (found) known.push_back(id->shared_from_this());
  }
  for (auto& id : known) id->neighbour_known();
}

// --- who is who --------------------------------------------------------------------------------------------------

uint64_t Manager::watch(Socket& socket, Identifier* owner) {
  uint64_t number = next_number_++;
  watched_[number] = {&socket, owner};
  epoll_event event{EPOLLIN, {}};
  event.data.u64 = number;
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.fd(), &event);
  return number;
}

void Manager::unwatch(uint64_t number, Socket& socket) {
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket.fd(), nullptr);
  watched_.erase(number);
}

/// The socket that this process speaks from at a local address: one for all connections.
Result<Socket*> Manager::hub(const SocketAddress& local) {
  SocketAddress address = local;
  set_port(address, 0);
  std::unique_ptr<Socket>& slot = hubs_[key_of(address)];
  if (!slot) {
    auto opened = Socket::open(address, {});
    if (!opened) return Error{opened.error()};
    slot = std::move(*opened);
    watch(*slot, nullptr);
  }
  return slot.get();
}

Manager::PeerName Manager::peer_name(const Identifier& id) { return {key_of(id.destination_), id.peer_number_}; }

void Manager::enroll(Identifier& id) {
  do {
    id.number_ = random_value<uint64_t>();
  } while (id.number_ == 0 || identifiers_.contains(id.number_));
  identifiers_[id.number_] = id.shared_from_this();
}

void Manager::forget(Identifier& id) {
  leave_peer(id);
  leave_service(id);
  set_deadline(id, 0);
  if (auto known = by_peer_.find(peer_name(id)); known != by_peer_.end() && known->second == &id) {
    by_peer_.erase(known);
  }
  identifiers_.erase(id.number_);  // may have been the last to hold it
}

void Manager::index_qpn(Identifier& id, bool add) {
  auto [first, last] = by_qpn_.equal_range(id.mine_.qpn);
  for (auto each = first; each != last; ++each) {
    if (each->second != &id) continue;
    if (!add) by_qpn_.erase(each);
    return;
  }
  if (add) by_qpn_.emplace(id.mine_.qpn, &id);
}

void Manager::join_peer(Identifier& id) {
  if (id.peer_) return;
  std::unique_ptr<Peer>& slot = peers_[key_of(id.destination_)];
  if (!slot) {
    slot = std::make_unique<Peer>();
    slot->address = id.destination_;
    slot->socket = id.socket_;
  }
  id.peer_ = slot.get();
  slot->members.push_back(id);
  index_qpn(id, true);
  if (next_probe_ns_ == 0) next_probe_ns_ = clock_ns() + kProbeInterval;
}

void Manager::leave_peer(Identifier& id) {
  if (!id.peer_) return;
  Peer* peer = std::exchange(id.peer_, nullptr);
  static_cast<ListNode<Identifier>&>(id).unlink();
  index_qpn(id, false);
  if (peer->members.empty()) peers_.erase(key_of(peer->address));
}

std::string Manager::service_name(const Identifier& id) { return key_of(service_address(id.space_, id.remote_)); }

void Manager::join_service(Identifier& id) {
  if (!std::exchange(id.served_, true)) ++services_[service_name(id)];
}

void Manager::leave_service(Identifier& id) {
  if (!std::exchange(id.served_, false)) return;
  auto service = services_.find(service_name(id));
  if (--service->second == 0) services_.erase(service);
}

bool Manager::knows_service(const Identifier& id) const { return services_.contains(service_name(id)); }

// --- timers ------------------------------------------------------------------------------------------------------

void Manager::set_deadline(Identifier& id, uint64_t deadline_ns) {
  if (id.deadline_ns_) deadlines_.erase({id.deadline_ns_, &id});
  id.deadline_ns_ = deadline_ns;
  if (deadline_ns) deadlines_.insert({deadline_ns, &id});
}

void Manager::arm() {
  uint64_t next = deadlines_.empty() ? 0 : deadlines_.begin()->first;
  if (next_probe_ns_ && (!next || next_probe_ns_ < next)) next = next_probe_ns_;
  if (next == armed_ns_) return;
  armed_ns_ = next;
  itimerspec when{};
  when.it_value.tv_sec = static_cast<time_t>(next / kSecond);
  when.it_value.tv_nsec = static_cast<long>(next % kSecond);
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void Manager::expire_timers() {
  uint64_t count;
  if (read(timer_.get(), &count, sizeof count) != sizeof count) return;
  armed_ns_ = 0;
  uint64_t now = clock_ns();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    std::shared_ptr<Identifier> id = deadlines_.begin()->second->shared_from_this();
    set_deadline(*id, 0);
    id->expired();
  }
  if (next_probe_ns_ && next_probe_ns_ <= now) probe_peers(now);
}

void Manager::probe_peers(uint64_t now_ns) {
  next_probe_ns_ = peers_.empty() ? 0 : now_ns + kProbeInterval;
  for (auto& [name, peer] : peers_) probe(*peer);
}

/// A member's number is asked for, so that another process at the same port is not taken for the peer. They take turns.
void Manager::probe(Peer& peer) {
  Identifier& id = peer.members.pop_front();
  peer.members.push_back(id);
  id.answer(wire::Cm::kProbe);
}

void Manager::peer_dead(Peer& peer) {
  std::vector<std::shared_ptr<Identifier>> members;
  peer.members.for_each([&](Identifier& id) { members.push_back(id.shared_from_this()); });
  for (auto& id : members) id->refused();
}

}  // namespace vb::cm
