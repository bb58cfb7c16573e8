// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/route.h"

#include <shared_mutex>

#include "verbs/device_registry.h"

namespace vb {

std::vector<GidEntry> gid_table(const Device& device) {
  std::shared_lock guard(device_lock());
  return device.gids;
}

Result<Ends> resolve(const Device& device, const ibv_global_route& route) {
  std::vector<GidEntry> gids = gid_table(device);
  if (route.sgid_index >= gids.size() || !gids[route.sgid_index].valid) return Error{EINVAL};
  Gid sgid = to_gid(gids[route.sgid_index].gid);
  auto source = gid_to_address(sgid, 0);
  auto destination = gid_to_address(to_gid(route.dgid), 0, device.netdev);
  if (!source || !destination) return Error{EINVAL};
  // Both forms of an IPv4 address lead to it; an IPv6 peer needs an IPv6 source.
  if (source->get()->sa_family != destination->get()->sa_family) return Error{ENETUNREACH};
  return Ends{sgid, *source, *destination};
}

}  // namespace vb
