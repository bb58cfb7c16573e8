// SPDX-License-Identifier: BSD-2-Clause
// A GID is an IP address in 16 bytes. This header turns one into the other, without loss, for the three forms that a
// device's GID table holds:
//   ::ffff:a.b.c.d      kMappedIpv4    what RoCE v2 programs look for
//   fe80::5efe:a.b.c.d  kEmbeddedIpv4  what programs that insist on GID index 0 get for the same IPv4 address
//   any other unicast   kIpv6          the IPv6 address itself
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace vb {

/// The bytes of an ibv_gid, for layers that do not know the verbs API.
struct Gid {
  std::array<uint8_t, 16> raw{};

  friend bool operator==(const Gid&, const Gid&) = default;
};

/// kNone: names no host (zero, multicast, broadcast, or an IPv4 form of such an address).
enum class GidForm { kNone, kMappedIpv4, kEmbeddedIpv4, kIpv6 };

/// Ready for bind and connect.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

GidForm gid_form(const Gid& gid);

Gid mapped_gid(in_addr address);
/// The link-local form with the interface identifier 0000:5efe + IPv4 of RFC 5214. An EUI-64 identifier has ff:fe in
/// its middle, this one has fe and the first byte of the address there: neither can be taken for the other.
Gid embedded_gid(in_addr address);
Gid ipv6_gid(const in6_addr& address);

/// The IPv4 address of the two IPv4 forms.
std::optional<in_addr> gid_ipv4(const Gid& gid);

/// An IPv6 multicast address, or the IPv4-mapped form of an IPv4 one.
bool is_group(const Gid& gid);

SocketAddress with_port(SocketAddress address, uint16_t port);

/// Where the host behind `gid` is reached. `scope` is the interface index that an IPv6 link-local address needs.
/// Nothing when the GID names no host.
std::optional<SocketAddress> gid_to_address(const Gid& gid, uint16_t port, uint32_t scope = 0);

/// The GID of a socket address: kMappedIpv4 for IPv4 (also inside an IPv6 socket), kIpv6 otherwise. Nothing when the
/// address is of another family or names no host.
std::optional<Gid> address_to_gid(const sockaddr& address);

/// As inet_ntop prints it.
std::string to_string(const Gid& gid);

}  // namespace vb
