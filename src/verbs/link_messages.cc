// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/link_messages.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace vb {
namespace {

template <class Payload>
bool payload_of(std::span<const unsigned char> body, Payload& payload) {
  if (body.size() < sizeof payload) return false;
  std::memcpy(&payload, body.data(), sizeof payload);
  return true;
}

void add_link(std::span<const unsigned char> body, bool gone, std::vector<LinkMessage>& out) {
  ifinfomsg link;
  // A bridge tells of its ports by messages of its own, which say nothing of the port's link.
  if (!payload_of(body, link) || link.ifi_family != AF_UNSPEC) return;
  const unsigned running = IFF_UP | IFF_RUNNING;
  out.push_back({static_cast<uint32_t>(link.ifi_index), true, !gone && (link.ifi_flags & running) == running});
}

void add_address(std::span<const unsigned char> body, std::vector<LinkMessage>& out) {
  ifaddrmsg address;
  if (payload_of(body, address)) out.push_back({address.ifa_index, false, false});
}

void add(uint16_t type, std::span<const unsigned char> body, std::vector<LinkMessage>& out) {
  switch (type) {
    case RTM_NEWLINK: return add_link(body, false, out);
    case RTM_DELLINK: return add_link(body, true, out);
    case RTM_NEWADDR:
    case RTM_DELADDR: return add_address(body, out);
  }
}

}  // namespace

Result<Fd> open_link_messages() {
  Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!socket) return Error{errno};
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return Error{errno};
  return socket;
}

void parse_link_messages(std::span<const unsigned char> bytes, std::vector<LinkMessage>& out) {
  nlmsghdr header;
  while (bytes.size() >= sizeof header) {
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > bytes.size()) return;
    add(header.nlmsg_type, bytes.subspan(sizeof header, header.nlmsg_len - sizeof header), out);
    bytes = bytes.subspan(std::min<size_t>(NLMSG_ALIGN(header.nlmsg_len), bytes.size()));
  }
}

std::vector<LinkMessage> read_link_messages(int socket) {
  std::vector<LinkMessage> messages;
  unsigned char buffer[16384];
  for (;;) {
    sockaddr_nl sender{};
    socklen_t length = sizeof sender;
    const ssize_t size = recvfrom(socket, buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&sender), &length);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == ENOBUFS) {
      messages.push_back({});
      continue;
    }
    if (size <= 0) return messages;
    // Only the kernel speaks here, but any process may send to a netlink socket.
    if (sender.nl_pid == 0) parse_link_messages({buffer, static_cast<size_t>(size)}, messages);
  }
}

}  // namespace vb
