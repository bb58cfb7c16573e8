// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/neighbour.h"

#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>
#include <optional>
#include <span>

#include "base/fd.h"

namespace vb {

namespace {

using MacAddress = std::array<uint8_t, 6>;
using Bytes = std::span<const unsigned char>;

constexpr uint16_t kUsable = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP;

Bytes address_bytes(const SocketAddress& host) {
  auto* at = reinterpret_cast<const unsigned char*>(&host.storage);
  if (host.get()->sa_family == AF_INET) return {at + offsetof(sockaddr_in, sin_addr), sizeof(in_addr)};
  return {at + offsetof(sockaddr_in6, sin6_addr), sizeof(in6_addr)};
}

Result<void> ask(int socket, int family) {
  struct {
    nlmsghdr header;
    ndmsg neighbour;
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_GETNEIGH;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.neighbour.ndm_family = static_cast<unsigned char>(family);
  if (send(socket, &request, sizeof request, 0) < 0) return Error{errno};
  return {};
}

/// The link address in one message, if it is about the host.
std::optional<MacAddress> mac_in(const nlmsghdr& message, uint32_t netdev, Bytes host) {
  auto& neighbour = *static_cast<const ndmsg*>(NLMSG_DATA(&message));
  if (message.nlmsg_type != RTM_NEWNEIGH || neighbour.ndm_ifindex != static_cast<int>(netdev)) return {};
  if (!(neighbour.ndm_state & kUsable)) return {};
  std::optional<MacAddress> mac;
  bool same_host = false;
  auto left = static_cast<int>(NLMSG_PAYLOAD(&message, sizeof neighbour));
  auto* attribute =
      reinterpret_cast<const rtattr*>(reinterpret_cast<const char*>(&neighbour) + NLMSG_ALIGN(sizeof neighbour));
  for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    size_t size = RTA_PAYLOAD(attribute);
    const void* data = RTA_DATA(attribute);
    if (attribute->rta_type == NDA_DST) same_host = size == host.size() && memcmp(data, host.data(), size) == 0;
    if (attribute->rta_type == NDA_LLADDR && size == sizeof(MacAddress)) memcpy(mac.emplace().data(), data, size);
  }
  return same_host ? mac : std::nullopt;
}

}  // namespace

Result<MacAddress> neighbour_mac(uint32_t netdev, const SocketAddress& host) {
  Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket) return Error{errno};
  if (auto asked = ask(socket.get(), host.get()->sa_family); !asked) return Error{asked.error()};
  for (;;) {
    alignas(nlmsghdr) char buffer[16384];
    ssize_t got = recv(socket.get(), buffer, sizeof buffer, 0);
    if (got <= 0) return Error{got < 0 ? errno : ENETUNREACH};
    auto left = static_cast<size_t>(got);
    auto* message = reinterpret_cast<const nlmsghdr*>(buffer);
    for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) return Error{ENETUNREACH};
      if (auto mac = mac_in(*message, netdev, address_bytes(host))) return *mac;
    }
  }
}

}  // namespace vb
