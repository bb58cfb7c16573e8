// SPDX-License-Identifier: BSD-2-Clause
#include "cm/next_hop.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "cm/address.h"
#include "verbs/neighbour.h"

namespace vb::cm {

namespace {

constexpr uint16_t kUsable = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP;

using Bytes = std::span<const unsigned char>;

Fd open_netlink(uint32_t groups) {
  Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  if (fd && bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fd.reset();
  return fd;
}

/// The next datagram that the kernel sent. Empty: there is none.
std::vector<unsigned char> receive(int fd, bool& lost) {
  std::vector<unsigned char> bytes(16384);
  for (;;) {
    sockaddr_nl sender{};
    socklen_t length = sizeof sender;
    ssize_t got = recvfrom(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&sender), &length);
    if (got < 0 && (errno == EINTR || errno == ENOBUFS)) {
      lost |= errno == ENOBUFS;
      continue;
    }
    if (got > 0 && sender.nl_pid != 0) continue;  // any process may send here
    bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return bytes;
  }
}

/// body(message, its payload) for each message of a datagram.
template <class Body>
void each_message(Bytes bytes, Body&& body) {
  auto left = static_cast<int>(bytes.size());
  auto* message = reinterpret_cast<const nlmsghdr*>(bytes.data());
  for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) body(*message);
}

/// The attribute of that kind behind a message's fixed part, or nothing.
template <class Fixed>
Bytes attribute_of(const nlmsghdr& message, int kind) {
  if (message.nlmsg_len < NLMSG_LENGTH(sizeof(Fixed))) return {};
  auto left = static_cast<int>(message.nlmsg_len - NLMSG_SPACE(sizeof(Fixed)));
  const auto* at =
      reinterpret_cast<const rtattr*>(static_cast<const char*>(NLMSG_DATA(&message)) + NLMSG_ALIGN(sizeof(Fixed)));
  for (; RTA_OK(at, left); at = RTA_NEXT(at, left)) {
    if (at->rta_type == kind) return {static_cast<const unsigned char*>(RTA_DATA(at)), RTA_PAYLOAD(at)};
  }
  return {};
}

Bytes bytes_of(const SocketAddress& address) {
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(address.storage);
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address.storage);
  if (address.storage.ss_family == AF_INET) return {reinterpret_cast<const unsigned char*>(&v4.sin_addr), 4};
  return {v6.sin6_addr.s6_addr, 16};
}

std::optional<SocketAddress> address_from(Bytes bytes) {
  if (bytes.size() != 4 && bytes.size() != 16) return std::nullopt;
  SocketAddress address = any_address(bytes.size() == 4 ? AF_INET : AF_INET6, 0);
  auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
  memcpy(bytes.size() == 4 ? static_cast<void*>(&v4.sin_addr) : &v6.sin6_addr, bytes.data(), bytes.size());
  return address;
}

struct RouteRequest {
  nlmsghdr header;
  rtmsg route;
  unsigned char attributes[2 * RTA_SPACE(sizeof(in6_addr))];

  void add(uint16_t type, Bytes value) {
    const rtattr attribute{static_cast<uint16_t>(RTA_LENGTH(value.size())), type};
    unsigned char* at = reinterpret_cast<unsigned char*>(this) + NLMSG_ALIGN(header.nlmsg_len);
    memcpy(at, &attribute, sizeof attribute);
    memcpy(at + RTA_LENGTH(0), value.data(), value.size());
    header.nlmsg_len = static_cast<uint32_t>(NLMSG_ALIGN(header.nlmsg_len) + attribute.rta_len);
  }
};

bool ask_for_route(int fd, const SocketAddress& destination) {
  RouteRequest request{};
  const Bytes address = bytes_of(destination);
  request.route.rtm_family = static_cast<unsigned char>(destination.storage.ss_family);
  request.route.rtm_dst_len = static_cast<unsigned char>(address.size() * 8);
  request.header.nlmsg_type = RTM_GETROUTE;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.header.nlmsg_len = static_cast<uint32_t>(NLMSG_LENGTH(sizeof request.route));
  request.add(RTA_DST, address);
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(destination.storage);
  const uint32_t link = v6.sin6_family == AF_INET6 ? v6.sin6_scope_id : 0;  // each link has the link-local addresses
  if (link) request.add(RTA_OIF, {reinterpret_cast<const unsigned char*>(&link), sizeof link});
  return send(fd, &request, request.header.nlmsg_len, 0) >= 0;
}

/// The router's address in a route, which may be of another family than the destination's. Empty: there is none.
Bytes router_in(const nlmsghdr& message) {
  const Bytes via = attribute_of<rtmsg>(message, RTA_VIA);
  constexpr size_t kFamily = offsetof(rtvia, rtvia_addr);
  return via.size() > kFamily ? via.subspan(kFamily) : attribute_of<rtmsg>(message, RTA_GATEWAY);
}

/// A route to another host, by its own address or by a router's.
std::optional<NextHop> hop_in(const nlmsghdr& message, const SocketAddress& destination) {
  if (message.nlmsg_type != RTM_NEWROUTE || message.nlmsg_len < NLMSG_LENGTH(sizeof(rtmsg))) return std::nullopt;
  const auto& route = *static_cast<const rtmsg*>(NLMSG_DATA(&message));
  Bytes interface = attribute_of<rtmsg>(message, RTA_OIF);
  if (route.rtm_type != RTN_UNICAST || interface.size() != sizeof(uint32_t)) return std::nullopt;
  NextHop hop;
  memcpy(&hop.interface, interface.data(), sizeof hop.interface);
  const Bytes router = router_in(message);
  auto host = address_from(router.empty() ? bytes_of(destination) : router);
  if (!host) return std::nullopt;
  hop.host = *host;
  return hop;
}

bool has_neighbours(uint32_t interface) {
  ifreq request{};
  Fd probe(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!probe || !if_indextoname(interface, request.ifr_name)) return false;
  if (ioctl(probe.get(), SIOCGIFFLAGS, &request) != 0) return false;
  return !(request.ifr_flags & (IFF_NOARP | IFF_LOOPBACK | IFF_POINTOPOINT));
}

}  // namespace

bool operator==(const NextHop& one, const NextHop& other) {
  return one.interface == other.interface && same_host(one.host, other.host);
}

std::optional<NextHop> next_hop(const SocketAddress& destination) {
  Fd fd = open_netlink(0);
  if (!fd || is_loopback(destination) || !ask_for_route(fd.get(), destination)) return std::nullopt;
  bool lost = false;
  std::optional<NextHop> hop;
  const std::vector<unsigned char> answer = receive(fd.get(), lost);  // the kernel has answered within the call
  each_message(answer, [&](const nlmsghdr& message) { hop = hop_in(message, destination); });
  return hop && has_neighbours(hop->interface) ? hop : std::nullopt;
}

bool is_known(const NextHop& hop) { return static_cast<bool>(neighbour_mac(hop.interface, hop.host)); }

Result<void> NeighbourWatch::open() {
  if (fd_) return {};
  fd_ = open_netlink(RTMGRP_NEIGH);
  return fd_ ? Result<void>() : Error{errno};
}

std::vector<NeighbourWatch::News> NeighbourWatch::read(bool& lost) {
  std::vector<News> news;
  for (;;) {
    const std::vector<unsigned char> bytes = receive(fd_.get(), lost);
    if (bytes.empty()) return news;
    each_message(bytes, [&](const nlmsghdr& message) {
      if (message.nlmsg_type != RTM_NEWNEIGH || message.nlmsg_len < NLMSG_LENGTH(sizeof(ndmsg))) return;
      const auto& neighbour = *static_cast<const ndmsg*>(NLMSG_DATA(&message));
      auto host = address_from(attribute_of<ndmsg>(message, NDA_DST));
      if (!host || !(neighbour.ndm_state & (kUsable | NUD_FAILED))) return;
      news.push_back({{static_cast<uint32_t>(neighbour.ndm_ifindex), *host}, !(neighbour.ndm_state & NUD_FAILED)});
    });
  }
}

}  // namespace vb::cm
