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
  bool running() const;  ///< up, with a carrier
  bool usable() const;   ///< up, with an address: bridges, veth and tun devices too
};

/// In the order of their indexes. Empty when the system does not tell.
std::vector<Interface> list_interfaces();

}  // namespace vb
