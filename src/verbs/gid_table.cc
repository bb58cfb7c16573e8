// SPDX-License-Identifier: BSD-2-Clause
// The GID table: how an interface's addresses become one, and its queries.
//
// Programs hard-code index 0 or 1, or search for the (one) v4-mapped entry. So for an interface with IPv4, 0 is the
// embedded and 1 the mapped form of the same first address; without IPv4 both are the first IPv6 address. Behind them
// stand the IPv6 addresses, then further IPv4 addresses.
#include <algorithm>
#include <cstring>

#include "base/gid.h"
#include "verbs/device_registry.h"

namespace vb {
namespace {

GidEntry entry_of(const Gid& gid) {
  GidEntry entry;
  std::memcpy(entry.gid.raw, gid.raw.data(), sizeof(entry.gid.raw));
  entry.valid = true;
  return entry;
}

/// What a program that was built with a shorter ibv_gid_entry has room for.
void write_entry(void* out, size_t size, const Device& device, uint32_t port, uint32_t index) {
  ibv_gid_entry entry{};
  entry.gid = device.gids[index].gid;
  entry.gid_index = index;
  entry.port_num = port;
  entry.gid_type = IBV_GID_TYPE_ROCE_V2;
  entry.ndev_ifindex = device.netdev;
  std::memset(out, 0, size);
  std::memcpy(out, &entry, std::min(size, sizeof(entry)));
}

bool in_table(const Device& device, uint32_t port, uint32_t index) { return port == 1 && index < device.gids.size(); }

}  // namespace

std::vector<GidEntry> make_gid_table(const Interface& netdev) {
  std::vector<Gid> gids;
  if (!netdev.ipv4.empty()) {
    gids = {embedded_gid(netdev.ipv4.front()), mapped_gid(netdev.ipv4.front())};
  } else if (!netdev.ipv6.empty()) {
    gids = {ipv6_gid(netdev.ipv6.front())};
  }
  for (const in6_addr& address : netdev.ipv6) gids.push_back(ipv6_gid(address));
  for (size_t i = 1; i < netdev.ipv4.size(); ++i) gids.push_back(mapped_gid(netdev.ipv4[i]));
  gids.resize(std::min<size_t>(gids.size(), kGidTableLength));
  std::vector<GidEntry> table(kGidTableLength);
  std::transform(gids.begin(), gids.end(), table.begin(), entry_of);
  return table;
}

Result<union ibv_gid> query_gid(ibv_context* context, uint8_t port, int index) {
  const Device& device = Device::from(context->device);
  const std::shared_lock guard(device_lock());
  if (index < 0 || !in_table(device, port, static_cast<uint32_t>(index))) return Error{EINVAL};
  // An empty entry is all zeros: programs walk the whole table and take an error for a broken device.
  return device.gids[static_cast<size_t>(index)].gid;
}

Result<void> query_gid_ex(ibv_context* context, uint32_t port, uint32_t index, ibv_gid_entry* entry, uint32_t flags,
                          size_t entry_size) {
  if (flags != 0) return Error{EINVAL};
  const Device& device = Device::from(context->device);
  const std::shared_lock guard(device_lock());
  if (!in_table(device, port, index)) return Error{EINVAL};
  if (!device.gids[index].valid) return Error{ENODATA};
  write_entry(entry, entry_size, device, port, index);
  return {};
}

Result<size_t> query_gid_table(ibv_context* context, ibv_gid_entry* entries, size_t max_entries, uint32_t flags,
                               size_t entry_size) {
  if (flags != 0) return Error{EINVAL};
  const Device& device = Device::from(context->device);
  const std::shared_lock guard(device_lock());
  size_t written = 0;
  for (uint32_t index = 0; index < device.gids.size(); ++index) {
    if (!device.gids[index].valid) continue;
    if (written == max_entries) return Error{EINVAL};
    write_entry(reinterpret_cast<char*>(entries) + written++ * entry_size, entry_size, device, 1, index);
  }
  return written;
}

}  // namespace vb
