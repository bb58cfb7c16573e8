// SPDX-License-Identifier: BSD-2-Clause
#include "cm/address.h"

#include <arpa/inet.h>

#include <cstring>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include "base/fd.h"
#include "base/never_destroyed.h"
#include "verbs/device_registry.h"

namespace vb::cm {

namespace {

sockaddr_in& v4(SocketAddress& address) { return reinterpret_cast<sockaddr_in&>(address.storage); }
const sockaddr_in& v4(const SocketAddress& address) { return reinterpret_cast<const sockaddr_in&>(address.storage); }
sockaddr_in6& v6(SocketAddress& address) { return reinterpret_cast<sockaddr_in6&>(address.storage); }
const sockaddr_in6& v6(const SocketAddress& address) { return reinterpret_cast<const sockaddr_in6&>(address.storage); }
int family_of(const SocketAddress& address) { return address.storage.ss_family; }

std::optional<uint8_t> index_of(const Device& device, const Gid& gid) {
  std::shared_lock guard(device_lock());
  for (size_t i = 0; i < device.gids.size(); ++i) {
    const GidEntry& entry = device.gids[i];
    if (entry.valid && memcmp(entry.gid.raw, gid.raw.data(), sizeof entry.gid.raw) == 0) {
      return static_cast<uint8_t>(i);
    }
  }
  return std::nullopt;
}

std::optional<Place> search(const std::vector<Device*>& devices, const Gid& gid) {
  for (Device* device : devices) {
    if (auto index = index_of(*device, gid)) return Place{device, *index};
  }
  return std::nullopt;
}

/// A group's or the wildcard is none of a host's GIDs.
SocketAddress address_of(const sockaddr_ib& given) {
  auto port = static_cast<uint16_t>(be64toh(given.sib_sid));
  Gid gid;
  memcpy(gid.raw.data(), given.sib_addr.sib_raw, sizeof gid.raw);
  if (auto host = gid_to_address(gid, port, static_cast<uint32_t>(given.sib_scope_id))) return *host;
  SocketAddress address = any_address(AF_INET6, port);
  memcpy(&v6(address).sin6_addr, gid.raw.data(), sizeof gid.raw);
  unmap(address);
  return address;
}

bool belongs_to_this_host(const SocketAddress& local) {
  Fd probe(socket(family_of(local), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  SocketAddress address = local;
  set_port(address, 0);
  return probe && bind(probe.get(), address.get(), address.length) == 0;
}

}  // namespace

Result<SocketAddress> copy_address(const sockaddr* address) {
  SocketAddress copy;
  if (!address) return Error{EINVAL};
  switch (address->sa_family) {
    case AF_INET: copy.length = sizeof(sockaddr_in); break;
    case AF_INET6: copy.length = sizeof(sockaddr_in6); break;
    case AF_IB: {
      sockaddr_ib given;
      memcpy(&given, address, sizeof given);
      return address_of(given);
    }
    default: return Error{EINVAL};
  }
  memcpy(&copy.storage, address, copy.length);
  return copy;
}

sockaddr_ib infiniband_address(const SocketAddress& address, uint16_t space) {
  sockaddr_ib out{};
  out.sib_family = AF_IB;
  out.sib_pkey = 0xffff;
  if (auto gid = address_to_gid(*address.get())) {
    memcpy(out.sib_addr.sib_raw, gid->raw.data(), sizeof gid->raw);
  } else if (family_of(address) == AF_INET6) {
    memcpy(out.sib_addr.sib_raw, &v6(address).sin6_addr, sizeof out.sib_addr);
  }
  if (family_of(address) == AF_INET6) out.sib_scope_id = v6(address).sin6_scope_id;
  out.sib_sid = htobe64(uint64_t{space} << 16 | port_of(address));
  out.sib_sid_mask = ~uint64_t{0};
  return out;
}

SocketAddress any_address(int family, uint16_t port) {
  SocketAddress address;
  address.storage.ss_family = static_cast<sa_family_t>(family);
  address.length = family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  set_port(address, port);
  return address;
}

uint16_t port_of(const SocketAddress& address) {
  return ntohs(family_of(address) == AF_INET6 ? v6(address).sin6_port : v4(address).sin_port);
}

void set_port(SocketAddress& address, uint16_t port) {
  (family_of(address) == AF_INET6 ? v6(address).sin6_port : v4(address).sin_port) = htons(port);
}

bool is_any(const SocketAddress& address) {
  if (family_of(address) == AF_INET6) return IN6_IS_ADDR_UNSPECIFIED(&v6(address).sin6_addr);
  return v4(address).sin_addr.s_addr == INADDR_ANY;
}

bool is_loopback(const SocketAddress& address) {
  if (family_of(address) == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&v6(address).sin6_addr);
  return ntohl(v4(address).sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

bool is_multicast(const SocketAddress& address) {
  if (family_of(address) == AF_INET6) return IN6_IS_ADDR_MULTICAST(&v6(address).sin6_addr);
  return IN_MULTICAST(ntohl(v4(address).sin_addr.s_addr));
}

bool same_host(const SocketAddress& one, const SocketAddress& other) {
  if (family_of(one) != family_of(other)) return false;
  if (family_of(one) == AF_INET) return v4(one).sin_addr.s_addr == v4(other).sin_addr.s_addr;
  return IN6_ARE_ADDR_EQUAL(&v6(one).sin6_addr, &v6(other).sin6_addr);
}

void unmap(SocketAddress& address) {
  if (family_of(address) != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&v6(address).sin6_addr)) return;
  SocketAddress plain = any_address(AF_INET, port_of(address));
  memcpy(&v4(plain).sin_addr, v6(address).sin6_addr.s6_addr + 12, sizeof(in_addr));
  address = plain;
}

std::string key_of(const SocketAddress& address) {
  std::string key;
  if (family_of(address) == AF_INET6) {
    key.assign(reinterpret_cast<const char*>(&v6(address).sin6_addr), sizeof(in6_addr));
  } else {
    key.assign(reinterpret_cast<const char*>(&v4(address).sin_addr), sizeof(in_addr));
  }
  uint16_t port = port_of(address);
  return key.append(reinterpret_cast<const char*>(&port), sizeof port);
}

Result<SocketAddress> source_for(const SocketAddress& destination, const SocketAddress* hint) {
  Fd probe(socket(family_of(destination), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!probe) return Error{errno};
  if (hint) {
    SocketAddress local = *hint;
    set_port(local, 0);
    if (bind(probe.get(), local.get(), local.length) != 0) return Error{errno};
  }
  SocketAddress target = destination;
  if (port_of(target) == 0) set_port(target, 9);
  if (connect(probe.get(), target.get(), target.length) != 0) return Error{errno};
  SocketAddress source;
  source.length = sizeof source.storage;
  if (getsockname(probe.get(), source.get(), &source.length) != 0) return Error{errno};
  set_port(source, 0);
  return source;
}

Result<Place> find_place(const SocketAddress& local) {
  // Listing asks the kernel for every interface: only when nothing known has the address.
  static NeverDestroyed<std::pair<std::mutex, std::vector<Device*>>> known;
  auto gid = address_to_gid(*local.get());
  if (!gid) return Error{EADDRNOTAVAIL};
  std::lock_guard guard(known->first);
  if (auto place = search(known->second, *gid)) return *place;
  auto devices = list_devices();
  if (!devices) return Error{devices.error()};
  known->second = *devices;
  if (auto place = search(known->second, *gid)) return *place;
  return Error{belongs_to_this_host(local) ? ENODEV : EADDRNOTAVAIL};
}

}  // namespace vb::cm
