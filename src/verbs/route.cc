// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/route.h"

#include <shared_mutex>

#include "verbs/device_registry.h"

namespace vb {

std::vector<GidEntry> gid_table(const Device& device) {
  std::shared_lock guard(device_lock());
  return device.gids;
}

Result<Gid> source_gid(const Device& device, uint8_t index) {
  std::vector<GidEntry> gids = gid_table(device);
  if (index >= gids.size() || !gids[index].valid) return Error{EINVAL};
  return to_gid(gids[index].gid);
}

Result<Ends> resolve(const Device& device, const ibv_global_route& route) {
  auto sgid = source_gid(device, route.sgid_index);
  if (!sgid) return Error{sgid.error()};
  auto source = gid_to_address(*sgid, 0);
  auto destination = gid_to_address(to_gid(route.dgid), 0, device.netdev);
  if (!source || !destination) return Error{EINVAL};
  // Both forms of an IPv4 address lead to it; an IPv6 peer needs an IPv6 source.
  if (source->get()->sa_family != destination->get()->sa_family) return Error{ENETUNREACH};
  return Ends{*sgid, *source, *destination};
}

}  // namespace vb
