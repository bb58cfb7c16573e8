// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/interfaces.h"

#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>

#include "base/fd.h"

namespace vb {
namespace {

struct FreeAddresses {
  void operator()(ifaddrs* list) const { freeifaddrs(list); }
};

void add_ipv4(Interface& netdev, const sockaddr_in& address) {
  const uint32_t host = ntohl(address.sin_addr.s_addr);
  if (host != INADDR_ANY && !IN_MULTICAST(host)) netdev.ipv4.push_back(address.sin_addr);
}

void add_ipv6(Interface& netdev, const sockaddr_in6& address) {
  const in6_addr* ip = &address.sin6_addr;
  if (IN6_IS_ADDR_LINKLOCAL(ip) || IN6_IS_ADDR_MULTICAST(ip) || IN6_IS_ADDR_UNSPECIFIED(ip)) return;
  // ::1 names a host only to itself: it belongs to loopback alone.
  if (IN6_IS_ADDR_LOOPBACK(ip) && !netdev.loopback()) return;
  netdev.ipv6.push_back(*ip);
}

void add_link(Interface& netdev, const sockaddr_ll& link) {
  netdev.index = static_cast<uint32_t>(link.sll_ifindex);
  const size_t length = std::min<size_t>(link.sll_halen, 8);
  if (std::any_of(link.sll_addr, link.sll_addr + length, [](unsigned char byte) { return byte != 0; })) {
    netdev.mac.assign(link.sll_addr, link.sll_addr + length);
  }
}

void add_entry(Interface& netdev, const ifaddrs& entry) {
  netdev.flags = entry.ifa_flags;
  if (!entry.ifa_addr) return;
  switch (entry.ifa_addr->sa_family) {
    case AF_INET: return add_ipv4(netdev, reinterpret_cast<const sockaddr_in&>(*entry.ifa_addr));
    case AF_INET6: return add_ipv6(netdev, reinterpret_cast<const sockaddr_in6&>(*entry.ifa_addr));
    case AF_PACKET: return add_link(netdev, reinterpret_cast<const sockaddr_ll&>(*entry.ifa_addr));
  }
}

/// By ioctl, not from sysfs: a process that moved into a network namespace sees the sysfs of another one.
void ask_link(int socket, Interface& netdev) {
  ifreq request{};
  netdev.name.copy(request.ifr_name, IFNAMSIZ - 1);
  if (ioctl(socket, SIOCGIFMTU, &request) == 0) netdev.mtu = static_cast<uint32_t>(request.ifr_mtu);
  ethtool_cmd command{};
  command.cmd = ETHTOOL_GSET;
  request.ifr_data = reinterpret_cast<char*>(&command);
  if (ioctl(socket, SIOCETHTOOL, &request) != 0) return;
  const uint32_t speed = ethtool_cmd_speed(&command);
  if (speed != static_cast<uint32_t>(SPEED_UNKNOWN)) netdev.link_mbps = speed;
}

std::map<std::string, Interface> by_name() {
  std::map<std::string, Interface> found;
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) return found;
  const std::unique_ptr<ifaddrs, FreeAddresses> list(first);
  for (const ifaddrs* entry = first; entry; entry = entry->ifa_next) {
    // An address with a label of its own (eth0:1) belongs to the interface in front of the colon.
    const std::string label = entry->ifa_name;
    const std::string name = label.substr(0, label.find(':'));
    Interface& netdev = found[name];
    netdev.name = name;
    add_entry(netdev, *entry);
  }
  return found;
}

}  // namespace

bool Interface::loopback() const { return flags & IFF_LOOPBACK; }

bool Interface::usable() const { return (flags & IFF_UP) && !(ipv4.empty() && ipv6.empty()); }

unsigned interface_flags(const char* name) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (!socket || ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) return 0;
  return static_cast<unsigned short>(request.ifr_flags);
}

std::vector<Interface> list_interfaces() {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::vector<Interface> result;
  for (auto& [name, netdev] : by_name()) {
    if (netdev.index == 0) netdev.index = if_nametoindex(name.c_str());
    if (socket) ask_link(socket.get(), netdev);
    result.push_back(std::move(netdev));
  }
  std::stable_sort(result.begin(), result.end(), [](auto& a, auto& b) { return a.index < b.index; });
  return result;
}

}  // namespace vb
