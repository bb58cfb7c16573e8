// SPDX-License-Identifier: BSD-2-Clause
#include "base/gid.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace vb {
namespace {

using Prefix = std::array<uint8_t, 12>;
constexpr Prefix kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr Prefix kEmbeddedPrefix = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0x5e, 0xfe};

bool starts_with(const Gid& gid, const Prefix& prefix) {
  return std::equal(prefix.begin(), prefix.end(), gid.raw.begin());
}

Gid with_prefix(const Prefix& prefix, in_addr address) {
  Gid gid;
  std::copy(prefix.begin(), prefix.end(), gid.raw.begin());
  std::memcpy(gid.raw.data() + prefix.size(), &address, sizeof(address));
  return gid;
}

in_addr last_four(const Gid& gid) {
  in_addr address;
  std::memcpy(&address, gid.raw.data() + kMappedPrefix.size(), sizeof(address));
  return address;
}

bool is_host(in_addr address) {
  const uint32_t host = ntohl(address.s_addr);
  return host != INADDR_ANY && host != INADDR_BROADCAST && !IN_MULTICAST(host);
}

in6_addr as_ipv6(const Gid& gid) {
  in6_addr address;
  std::memcpy(&address, gid.raw.data(), sizeof(address));
  return address;
}

SocketAddress ipv4_socket(in_addr address, uint16_t port) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr = address;
  in.sin_port = htons(port);
  SocketAddress result;
  std::memcpy(&result.storage, &in, sizeof(in));
  result.length = sizeof(in);
  return result;
}

SocketAddress ipv6_socket(const in6_addr& address, uint16_t port, uint32_t scope) {
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_addr = address;
  in.sin6_port = htons(port);
  if (IN6_IS_ADDR_LINKLOCAL(&address)) in.sin6_scope_id = scope;
  SocketAddress result;
  std::memcpy(&result.storage, &in, sizeof(in));
  result.length = sizeof(in);
  return result;
}

}  // namespace

GidForm gid_form(const Gid& gid) {
  const bool mapped = starts_with(gid, kMappedPrefix);
  if (mapped || starts_with(gid, kEmbeddedPrefix)) {
    if (!is_host(last_four(gid))) return GidForm::kNone;
    return mapped ? GidForm::kMappedIpv4 : GidForm::kEmbeddedIpv4;
  }
  const in6_addr address = as_ipv6(gid);
  const bool host = !IN6_IS_ADDR_UNSPECIFIED(&address) && !IN6_IS_ADDR_MULTICAST(&address);
  return host ? GidForm::kIpv6 : GidForm::kNone;
}

Gid mapped_gid(in_addr address) { return with_prefix(kMappedPrefix, address); }

Gid embedded_gid(in_addr address) { return with_prefix(kEmbeddedPrefix, address); }

Gid ipv6_gid(const in6_addr& address) {
  Gid gid;
  std::memcpy(gid.raw.data(), &address, sizeof(address));
  return gid;
}

std::optional<in_addr> gid_ipv4(const Gid& gid) {
  const GidForm form = gid_form(gid);
  if (form != GidForm::kMappedIpv4 && form != GidForm::kEmbeddedIpv4) return std::nullopt;
  return last_four(gid);
}

bool is_group(const Gid& gid) {
  if (starts_with(gid, kMappedPrefix)) return IN_MULTICAST(ntohl(last_four(gid).s_addr));
  return gid.raw[0] == 0xff;
}

SocketAddress with_port(SocketAddress address, uint16_t port) {
  if (address.get()->sa_family == AF_INET) {
    reinterpret_cast<sockaddr_in*>(&address.storage)->sin_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in6*>(&address.storage)->sin6_port = htons(port);
  }
  return address;
}

std::optional<SocketAddress> gid_to_address(const Gid& gid, uint16_t port, uint32_t scope) {
  if (const auto address = gid_ipv4(gid)) return ipv4_socket(*address, port);
  if (gid_form(gid) != GidForm::kIpv6) return std::nullopt;
  return ipv6_socket(as_ipv6(gid), port, scope);
}

std::optional<Gid> address_to_gid(const sockaddr& address) {
  Gid gid;
  if (address.sa_family == AF_INET) {
    gid = mapped_gid(reinterpret_cast<const sockaddr_in&>(address).sin_addr);
  } else if (address.sa_family == AF_INET6) {
    gid = ipv6_gid(reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
  }
  if (gid_form(gid) == GidForm::kNone) return std::nullopt;
  return gid;
}

std::string to_string(const Gid& gid) {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(AF_INET6, gid.raw.data(), text, sizeof(text));
  return text;
}

}  // namespace vb
