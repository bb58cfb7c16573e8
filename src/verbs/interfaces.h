// SPDX-License-Identifier: BSD-2-Clause
// The network interfaces of this network namespace, as far as virtual devices care.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>
#include <vector>

namespace vb {

struct Interface {
  std::string name;
  uint32_t index = 0;
  unsigned flags = 0;              ///< IFF_*
  std::vector<unsigned char> mac;  ///< empty without one
  std::vector<in_addr> ipv4;       ///< unicast addresses, the kernel's order
  std::vector<in6_addr> ipv6;      ///< unicast addresses that are not link-local
  uint64_t link_mbps = 0;          ///< 0: not known
  uint32_t mtu = 0;

  bool loopback() const;
  bool usable() const;  ///< up, with an address: bridges, veth and tun devices too
};

/// The flags (IFF_*) of the interface of that name now; 0 when there is none.
unsigned interface_flags(const char* name);

/// In the order of their indexes. Empty when the system does not tell.
std::vector<Interface> list_interfaces();

}  // namespace vb
