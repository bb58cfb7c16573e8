// SPDX-License-Identifier: BSD-2-Clause
// Socket addresses, and which device and which source address lead somewhere.
#pragma once

#include <infiniband/ib.h>

#include <optional>
#include <string>

#include "base/gid.h"
#include "base/result.h"
#include "verbs/device.h"

namespace vb::cm {

/// A copy of a program's address. One of AF_IB is the IP address that its GID is, with the port in its service ID's
/// last two bytes. EINVAL: another family.
Result<SocketAddress> copy_address(const sockaddr* address);
/// An IP address as one of AF_IB, in a port space's service IDs.
sockaddr_ib infiniband_address(const SocketAddress& address, uint16_t space);
/// 0.0.0.0 or ::, and `port` in host byte order.
SocketAddress any_address(int family, uint16_t port);

uint16_t port_of(const SocketAddress& address);  ///< host byte order
void set_port(SocketAddress& address, uint16_t port);
bool is_any(const SocketAddress& address);
bool is_loopback(const SocketAddress& address);
bool is_multicast(const SocketAddress& address);
/// Without regard to the port.
bool same_host(const SocketAddress& one, const SocketAddress& other);
/// Turns an IPv4 address in IPv6 clothing into itself: what a dual-stack socket sees.
void unmap(SocketAddress& address);
/// Host and port, as a key.
std::string key_of(const SocketAddress& address);

/// The address that the kernel would send from. `hint`: an address that it must be, or nothing. Errors: ENETUNREACH,
/// EHOSTUNREACH when no route leads there, EADDRNOTAVAIL when `hint` is no address of this host.
Result<SocketAddress> source_for(const SocketAddress& destination, const SocketAddress* hint);

struct Place {
  Device* device = nullptr;
  uint8_t gid_index = 0;
};
/// The device that has this local address. EADDRNOTAVAIL: no interface has it. ENODEV: its interface is no device.
Result<Place> find_place(const SocketAddress& local);

}  // namespace vb::cm
