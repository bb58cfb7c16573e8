// SPDX-License-Identifier: BSD-2-Clause
#include "rsocket/datagram.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "rsocket/settings.h"

namespace vb::rsocket {

namespace {

constexpr uint32_t kMagic = 0x76627264;  // "vbrd"
constexpr uint8_t kVersion = 1;
constexpr uint64_t kKnownFor = kSecond;
constexpr size_t kMaxPeers = 4096;
constexpr size_t kMaxDatagram = 65507;  // of UDP over IPv4

uint16_t& port_of(sockaddr_storage& address) {
  return address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                       : reinterpret_cast<sockaddr_in&>(address).sin_port;
}

sockaddr_storage copy_of(const sockaddr* address, socklen_t length) {
  sockaddr_storage out{};
  memcpy(&out, address, std::min<size_t>(length, sizeof out));
  return out;
}

sockaddr* plain(const sockaddr_storage& address) {
  return const_cast<sockaddr*>(reinterpret_cast<const sockaddr*>(&address));
}

sockaddr_storage address_of(const ibv_gid& gid, uint16_t port, int family) {
  sockaddr_storage out{};
  out.ss_family = static_cast<sa_family_t>(family);
  if (family == AF_INET6) {
    memcpy(&reinterpret_cast<sockaddr_in6&>(out).sin6_addr, gid.raw, 16);
  } else {
    memcpy(&reinterpret_cast<sockaddr_in&>(out).sin_addr, gid.raw + 12, 4);
  }
  port_of(out) = port;
  return out;
}

void gather(Buffers data, unsigned char* out) {
  for (size_t i = 0; i < data.count; ++i) {
    memcpy(out, data.list[i].iov_base, data.list[i].iov_len);
    out += data.list[i].iov_len;
  }
}

size_t scatter(const std::vector<unsigned char>& bytes, Buffers room) {
  size_t done = 0;
  for (size_t i = 0; i < room.count && done < bytes.size(); ++i) {
    size_t size = std::min(room.list[i].iov_len, bytes.size() - done);
    memcpy(room.list[i].iov_base, bytes.data() + done, size);
    done += size;
  }
  return done;
}

}  // namespace

bool Datagram::Before::operator()(const sockaddr_storage& a, const sockaddr_storage& b) const {
  auto key = [](const sockaddr_storage& each) {
    std::array<unsigned char, 18> out{};
    memcpy(out.data(), &port_of(const_cast<sockaddr_storage&>(each)), 2);
    if (each.ss_family == AF_INET6) {
      memcpy(out.data() + 2, &reinterpret_cast<const sockaddr_in6&>(each).sin6_addr, 16);
    } else {
      memcpy(out.data() + 2, &reinterpret_cast<const sockaddr_in&>(each).sin_addr, 4);
    }
    return out;
  };
  return key(a) < key(b);
}

Result<std::shared_ptr<Socket>> Datagram::create(int family) {
  auto datagram = std::make_shared<Datagram>(family);
  if (auto opened = datagram->open(); !opened) return Error{opened.error()};
  datagram->receive_size_ = settings().receive_size;
  datagram->buffer_.resize(sizeof(Head) + kMaxDatagram);
  datagram->udp_ = Fd(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!datagram->udp_) return Error{errno};
  if (auto watched = datagram->watch(datagram->udp_.get()); !watched) return Error{watched.error()};
  return std::shared_ptr<Socket>(std::move(datagram));
}

Result<void> Datagram::bind(Destination address) {
  std::lock_guard guard(lock_);
  return ::bind(udp_.get(), address.address, address.length) == 0 ? Result<void>() : Error{errno};
}

Result<void> Datagram::connect(Destination address) {
  std::lock_guard guard(lock_);
  if (::connect(udp_.get(), address.address, address.length) != 0) return Error{errno};
  connected_ = address.address->sa_family != AF_UNSPEC;
  default_peer_ = copy_of(address.address, address.length);
  return {};
}

Result<void> Datagram::shutdown(int how) {
  std::lock_guard guard(lock_);
  if (!connected_) return Error{ENOTCONN};
  if (how != SHUT_WR) may_read_ = false;
  if (how != SHUT_RD) may_write_ = false;
  return {};
}

void Datagram::close() {}

Result<void> Datagram::local_address(Source out) {
  return getsockname(udp_.get(), out.address, out.length) == 0 ? Result<void>() : Error{errno};
}

Result<void> Datagram::peer_address(Source out) {
  return getpeername(udp_.get(), out.address, out.length) == 0 ? Result<void>() : Error{errno};
}

Result<void> Datagram::set_option(int level, int name, const void* value, socklen_t length) {
  std::lock_guard guard(lock_);
  if (level == SOL_RDMA || level == IPPROTO_TCP) return Error{ENOPROTOOPT};
  if (setsockopt(udp_.get(), level, name, value, length) != 0) return Error{errno};
  if (level == SOL_SOCKET && name == SO_RCVBUF && length >= sizeof(int)) {
    receive_size_ = static_cast<size_t>(std::max(*static_cast<const int*>(value), 4096));
  }
  return {};
}

Result<void> Datagram::get_option(int level, int name, void* value, socklen_t* length) {
  if (level == SOL_RDMA || level == IPPROTO_TCP) return Error{ENOPROTOOPT};
  return getsockopt(udp_.get(), level, name, value, length) == 0 ? Result<void>() : Error{errno};
}

// --- receiving ---------------------------------------------------------------------------------------------------

bool Datagram::progress() {
  bool any = read_udp();
  for (auto& [address, port] : ports_) {
    any |=
        port->progress([this](const ibv_gid& from, std::span<const unsigned char> bytes) { take_fabric(from, bytes); });
  }
  return any;
}

bool Datagram::read_udp() {
  bool any = false;
  for (;; any = true) {
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    ssize_t size = recvfrom(udp_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT, plain(from), &length);
    if (size < 0 && (errno == ECONNREFUSED || errno == EINTR)) continue;  // an answer to what was sent before
    if (size < 0) return any;
    take_udp(from, buffer_.data(), static_cast<size_t>(size));
  }
}

void Datagram::take_udp(const sockaddr_storage& from, const unsigned char* bytes, size_t size) {
  Head head;
  if (size < sizeof head) return;
  memcpy(&head, bytes, sizeof head);
  if (ntohl(head.magic) != kMagic || head.version != kVersion) return;
  learn(from, head);
  if (head.kind != kData) return;
  keep(from, bytes + sizeof head, size - sizeof head);
  answer(from);
}

void Datagram::keep(const sockaddr_storage& from, const unsigned char* bytes, size_t size) {
  if (!may_read_ || waiting_bytes_ + size > receive_size_) return;
  waiting_bytes_ += size;
  messages_.push_back({from, {bytes, bytes + size}});
}

void Datagram::take_fabric(const ibv_gid& from, std::span<const unsigned char> bytes) {
  Head head;
  if (bytes.size() < sizeof head) return;
  memcpy(&head, bytes.data(), sizeof head);
  if (ntohl(head.magic) != kMagic || head.version != kVersion || head.kind != kData) return;
  sockaddr_storage source = address_of(from, head.port, family_);
  if (connected_ && (Before()(source, default_peer_) || Before()(default_peer_, source))) return;
  keep(source, bytes.data() + sizeof head, bytes.size() - sizeof head);
}

Result<size_t> Datagram::receive(Buffers room, int flags, Source from) {
  std::unique_lock guard(lock_);
  auto waited = wait(guard, would_block(flags), [this] { return !messages_.empty() || !may_read_; });
  if (!waited) return Error{waited.error()};
  if (messages_.empty()) return size_t{0};
  const Message& message = messages_.front();
  size_t size = scatter(message.bytes, room);
  copy_address(plain(message.from), from);
  if (flags & MSG_TRUNC) size = message.bytes.size();
  if (flags & MSG_PEEK) return size;
  waiting_bytes_ -= message.bytes.size();
  messages_.pop_front();
  return size;
}

// --- who is where ------------------------------------------------------------------------------------------------

/// The queue pair by which this host reaches `peer`, made at the first need. nullptr: no device leads there, and UDP
/// has to do.
DatagramPort* Datagram::port_to(const sockaddr_storage& peer) {
  Fd probe(::socket(family_, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_storage local{};
  socklen_t length = sizeof local;
  if (!probe || ::connect(probe.get(), plain(peer), address_length(plain(peer))) != 0) return nullptr;
  if (getsockname(probe.get(), plain(local), &length) != 0) return nullptr;
  port_of(local) = 0;
  auto [found, fresh] = ports_.try_emplace(local);
  if (!fresh) return found->second.get();
  auto port = std::make_unique<DatagramPort>();
  if (port->open(plain(local)) && watch(port->event_fd())) found->second = std::move(port);
  if (found->second) {
    found->second->arm();
    return found->second.get();
  }
  ports_.erase(found);
  return nullptr;
}

/// The kernel gives one at the latest when the first datagram goes.
uint16_t Datagram::udp_port() {
  sockaddr_storage local{};
  socklen_t length = sizeof local;
  if (udp_port_ == 0 && getsockname(udp_.get(), plain(local), &length) == 0) udp_port_ = port_of(local);
  return udp_port_;
}

Datagram::Head Datagram::head(Kind kind, const DatagramPort* port) {
  Head head{htonl(kMagic), kVersion, kind, udp_port(), 0, {}};
  if (port) {
    head.qpn = htonl(port->qpn());
    head.gid = port->gid();
  }
  return head;
}

void Datagram::answer(const sockaddr_storage& to) {
  Head here = head(kHere, port_to(to));
  (void)sendto(udp_.get(), &here, sizeof here, MSG_DONTWAIT | MSG_NOSIGNAL, plain(to), address_length(plain(to)));
}

void Datagram::learn(const sockaddr_storage& from, const Head& head) {
  DatagramPort* port = head.qpn ? port_to(from) : nullptr;
  if (!port) return;
  if (peers_.size() >= kMaxPeers && !peers_.count(from)) peers_.clear();
  Peer& peer = peers_[from];
  if (!peer.ah) {
    ibv_ah* ah = port->address(head.gid);
    if (!ah) return;
    peer.ah = {ah, [](ibv_ah* each) { ibv_destroy_ah(each); }};
  }
  peer.port = port;
  peer.qpn = ntohl(head.qpn);
  peer.known_until = clock_ns() + kKnownFor;
}

// --- sending -----------------------------------------------------------------------------------------------------

Result<size_t> Datagram::send(Buffers data, int flags, Destination to) {
  std::unique_lock guard(lock_);
  if (!may_write_) return Error{EPIPE};
  if (!to.address && !connected_) return Error{EDESTADDRREQ};
  sockaddr_storage target = to.address ? copy_of(to.address, to.length) : default_peer_;
  if (target.ss_family != family_) return Error{EAFNOSUPPORT};
  size_t size = 0;
  for (size_t i = 0; i < data.count; ++i) size += data.list[i].iov_len;
  if (size > kMaxDatagram - sizeof(Head)) return Error{EMSGSIZE};
  take_in();
  auto found = peers_.find(target);
  bool fabric = found != peers_.end() && clock_ns() < found->second.known_until;
  if (!fabric || sizeof(Head) + size > DatagramPort::kMost) return send_udp(target, port_to(target), data, size);
  Peer peer = found->second;
  auto fill = [&](unsigned char* out) {
    Head front = head(kData, peer.port);
    memcpy(out, &front, sizeof front);
    gather(data, out + sizeof front);
  };
  bool sent = false;
  auto waited = wait(guard, would_block(flags),
                     [&] { return sent = peer.port->send(peer.ah.get(), peer.qpn, sizeof(Head) + size, fill); });
  return waited ? Result<size_t>(size) : Error{waited.error()};
}

Result<size_t> Datagram::send_udp(const sockaddr_storage& to, DatagramPort* port, Buffers data, size_t size) {
  std::vector<unsigned char> bytes(sizeof(Head) + size);
  Head front = head(kData, port);
  memcpy(bytes.data(), &front, sizeof front);
  gather(data, bytes.data() + sizeof front);
  ssize_t sent =
      sendto(udp_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL, plain(to), address_length(plain(to)));
  return sent >= 0 ? Result<size_t>(size) : Error{errno};
}

void Datagram::arm() {
  for (auto& [address, port] : ports_) port->arm();
}

short Datagram::events() { return static_cast<short>((messages_.empty() && may_read_ ? 0 : POLLIN) | POLLOUT); }

}  // namespace vb::rsocket
