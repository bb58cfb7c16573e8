// SPDX-License-Identifier: BSD-2-Clause
// From a global route (ibv_global_route) to addresses of the network.
#pragma once

#include <infiniband/verbs.h>

#include <vector>

#include "base/gid.h"
#include "base/result.h"
#include "verbs/device.h"

namespace vb {

inline Gid to_gid(const union ibv_gid& gid) {
  Gid out;
  memcpy(out.raw.data(), gid.raw, sizeof gid.raw);
  return out;
}

/// A copy of the device's table as it is now.
std::vector<GidEntry> gid_table(const Device& device);

/// Both ends of a path. Addresses have no ports.
struct Ends {
  Gid sgid;
  SocketAddress source;
  SocketAddress destination;
};

/// The address behind an entry of the GID table. EINVAL: there is no such entry.
Result<Gid> source_gid(const Device& device, uint8_t index);

/// EINVAL: no such entry in the GID table, or a destination GID that names no host. ENETUNREACH: the two are of
/// different address families.
Result<Ends> resolve(const Device& device, const ibv_global_route& route);

}  // namespace vb
