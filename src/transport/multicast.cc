// SPDX-License-Identifier: BSD-2-Clause
#include "transport/multicast.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/config.h"
#include "base/log.h"
#include "transport/datagram_queue_pair.h"
#include "transport/lane.h"

namespace vb {

namespace {

constexpr int kMessagesAtOnce = 64;
constexpr int kReceiveBuffer = 4 << 20;  ///< bytes; the system may grant less
constexpr size_t kMaxMessage =
    sizeof(wire::MulticastHeader) + sizeof(wire::PacketHeader) + sizeof(wire::DatagramHeader) + wire::kMaxDatagram;

bool is_ipv4(const GroupName& group) { return group.address.get()->sa_family == AF_INET; }

void set_option(int fd, int level, int option, int value) { setsockopt(fd, level, option, &value, sizeof value); }

/// FNV-1a.
uint32_t digest(const Gid& gid) {
  uint32_t hash = 2166136261u;
  for (uint8_t byte : gid.raw) hash = (hash ^ byte) * 16777619u;
  return hash;
}

uint16_t port() { return static_cast<uint16_t>(config().port_base); }

Result<void> join_group(int fd, const GroupName& group, const SocketAddress& carrier) {
  int status;
  if (is_ipv4(group)) {
    ip_mreqn request{};
    request.imr_multiaddr = reinterpret_cast<const sockaddr_in*>(carrier.get())->sin_addr;
    request.imr_ifindex = static_cast<int>(group.netdev);
    set_option(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
    status = setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request);
  } else {
    ipv6_mreq request{};
    request.ipv6mr_multiaddr = reinterpret_cast<const sockaddr_in6*>(carrier.get())->sin6_addr;
    request.ipv6mr_interface = group.netdev;
    set_option(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
    status = setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &request, sizeof request);
  }
  return status == 0 ? Result<void>() : Error{errno};
}

Result<Fd> open_socket(const GroupName& group) {
  SocketAddress carrier = group_address(group, port());
  Fd fd(::socket(carrier.get()->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return Error{errno};
  // Bound to the group, so that nothing else arrives; every process of the host gets its copy.
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  set_option(fd.get(), SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);
  if (bind(fd.get(), carrier.get(), carrier.length) != 0) return Error{errno};
  if (auto joined = join_group(fd.get(), group, carrier); !joined) return Error{joined.error()};
  return fd;
}

Fd open_sender(const GroupName& group) {
  Fd fd(::socket(group.address.get()->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fd;
  if (is_ipv4(group)) {
    ip_mreqn interface {};
    interface.imr_address = reinterpret_cast<const sockaddr_in*>(group.address.get())->sin_addr;
    interface.imr_ifindex = static_cast<int>(group.netdev);
    setsockopt(fd.get(), IPPROTO_IP, IP_MULTICAST_IF, &interface, sizeof interface);
    set_option(fd.get(), IPPROTO_IP, IP_MULTICAST_LOOP, 1);
  } else {
    set_option(fd.get(), IPPROTO_IPV6, IPV6_MULTICAST_IF, static_cast<int>(group.netdev));
    set_option(fd.get(), IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1);
  }
  return fd;
}

}  // namespace

SocketAddress group_address(const GroupName& group, uint16_t port) {
  const auto& raw = group.gid.raw;
  bool mapped = raw[0] != 0xff;
  SocketAddress out = with_port(group.address, port);
  if (is_ipv4(group)) {
    in_addr& address = reinterpret_cast<sockaddr_in*>(out.get())->sin_addr;
    address.s_addr = htonl(0xef000000 | (digest(group.gid) & 0xffffff));
    if (mapped) memcpy(&address, raw.data() + 12, sizeof address);
  } else {
    auto* in = reinterpret_cast<sockaddr_in6*>(out.get());
    in6_addr link_local{};
    link_local.s6_addr[0] = 0xff;
    link_local.s6_addr[1] = 0x02;
    memcpy(link_local.s6_addr + 12, raw.data() + 12, 4);
    in->sin6_addr = link_local;
    if (!mapped) memcpy(&in->sin6_addr, raw.data(), raw.size());
    in->sin6_scope_id = group.netdev;
  }
  return out;
}

Multicast::~Multicast() = default;

Multicast::Group* Multicast::find(const GroupName& group) const {
  auto found = std::find_if(groups_.begin(), groups_.end(), [&](auto& each) { return each->name == group; });
  return found == groups_.end() ? nullptr : found->get();
}

Result<Multicast::Group*> Multicast::join(const GroupName& name) {
  if (groups_.size() >= kMaxGroups) return Error{ENOMEM};
  auto socket = open_socket(name);
  if (!socket) return Error{socket.error()};
  auto group = std::make_unique<Group>(*this, name);
  group->socket = std::move(*socket);
  poller_.add(group->socket.get(), EPOLLIN, *group);
  groups_.push_back(std::move(group));
  return groups_.back().get();
}

Result<void> Multicast::attach(DatagramQueuePair& qp, const GroupName& name) {
  Group* group = find(name);
  if (group && std::count(group->members.begin(), group->members.end(), &qp)) return {};
  if (group && group->members.size() >= kMaxMembers) return Error{ENOMEM};
  if (!group) {
    auto joined = join(name);
    if (!joined) return Error{joined.error()};
    group = *joined;
  }
  group->members.push_back(&qp);
  return {};
}

Result<void> Multicast::detach(DatagramQueuePair& qp, const GroupName& name) {
  Group* group = find(name);
  if (!group || std::erase(group->members, &qp) == 0) return Error{EINVAL};
  if (!group->members.empty()) return {};
  poller_.remove(group->socket.get());
  auto place = std::find_if(groups_.begin(), groups_.end(), [&](auto& each) { return each.get() == group; });
  poller_.retire(std::move(*place));
  groups_.erase(place);
  return {};
}

bool Multicast::attached(const DatagramQueuePair& qp) const {
  return std::any_of(groups_.begin(), groups_.end(),
                     [&](auto& group) { return std::count(group->members.begin(), group->members.end(), &qp) != 0; });
}

void Multicast::deliver(Group& group, const wire::Packet& packet, bool own) {
  for (DatagramQueuePair* qp : group.members) {
    if (own && qp->blocks_own_multicasts && qp->qpn == packet.header.src_qpn) continue;
    qp->arrive(packet);
  }
}

void Multicast::deliver(uint32_t netdev, const wire::Packet& packet, bool own) {
  GroupName name;
  name.netdev = netdev;
  std::copy(std::begin(packet.datagram.dgid), std::end(packet.datagram.dgid), name.gid.raw.begin());
  if (Group* group = find(name)) deliver(*group, packet, own);
}

// --- the network -------------------------------------------------------------------------------------------------

Multicast::Sender& Multicast::sender(const GroupName& group) {
  Sender& sender = senders_[group.netdev];
  if (!sender.socket) sender.socket = open_sender(group);
  return sender;
}

void Multicast::send(const GroupName& group, uint8_t hop_limit, std::span<const unsigned char> packet) {
  Sender& from = sender(group);
  int hops = std::max<int>(hop_limit, 1);
  if (from.hop_limit != hops) {
    bool ipv4 = is_ipv4(group);
    set_option(from.socket.get(), ipv4 ? IPPROTO_IP : IPPROTO_IPV6, ipv4 ? IP_MULTICAST_TTL : IPV6_MULTICAST_HOPS,
               hops);
    from.hop_limit = hops;
  }
  wire::MulticastHeader header{};
  header.magic = wire::kMulticastMagic;
  header.version = wire::kMulticastVersion;
  std::copy(process_.begin(), process_.end(), header.process);
  iovec parts[2] = {{&header, sizeof header}, {const_cast<unsigned char*>(packet.data()), packet.size()}};
  SocketAddress to = group_address(group, port());
  msghdr message{};
  message.msg_name = to.get();
  message.msg_namelen = to.length;
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  if (sendmsg(from.socket.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    log(LogLevel::debug, "a multicast is lost: error %d", errno);
  }
}

void Multicast::receive(Group& group) {
  unsigned char buffer[kMaxMessage + 1];  // One byte more shows what is too long.
  for (int i = 0; i < kMessagesAtOnce; ++i) {
    ssize_t got = recv(group.socket.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0) return;
    if (!take(group, {buffer, static_cast<size_t>(got)})) ++rejected;
  }
}

/// False: not a message of this protocol, or not of this group. Nothing in it is believed without a look.
bool Multicast::take(Group& group, std::span<const unsigned char> message) {
  wire::MulticastHeader header;
  if (message.size() < sizeof header || message.size() > kMaxMessage) return false;
  memcpy(&header, message.data(), sizeof header);
  if (header.magic != wire::kMulticastMagic || header.version != wire::kMulticastVersion) return false;
  if (std::equal(process_.begin(), process_.end(), header.process)) return true;  // Our own have it already.
  message = message.subspan(sizeof header);
  wire::Packet packet;
  if (!wire::next_packet(message, packet) || !message.empty()) return false;
  bool whole = packet.header.kind == wire::Kind::kDatagram && !packet.is_fragment();
  if (!whole || packet.header.dst_qpn != wire::kMulticastQpn) return false;
  // Groups may share an address of the network.
  if (!std::equal(group.name.gid.raw.begin(), group.name.gid.raw.end(), packet.datagram.dgid)) return true;
  deliver(group, packet, false);
  return true;
}

}  // namespace vb
