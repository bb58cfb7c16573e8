// SPDX-License-Identifier: BSD-2-Clause
// The devices that were ever listed in this process. The parts of a Device that a listing refreshes (link, GIDs) are
// guarded by device_lock(): shared to read, exclusive to refresh.
#pragma once

#include <shared_mutex>

#include "base/gid.h"
#include "verbs/device.h"
#include "verbs/interfaces.h"

namespace vb {

std::shared_mutex& device_lock();

/// Writes what an interface says into its device. Lock held.
void refresh_device(Device& device, const Interface& netdev);

/// Whether the link of the device's interface is up now, by asking the system. False when the interface is gone.
bool link_running(const Device& device);

/// The GID table of an interface: 0 and 1 are always routable, see gid_table.cc. Entries beyond are invalid.
std::vector<GidEntry> make_gid_table(const Interface& netdev);

/// The addresses of a device, each once.
std::vector<SocketAddress> addresses_of(const Device& device);

/// Never zero, network byte order: from the hardware address where there is one.
uint64_t make_guid(const Interface& netdev);

}  // namespace vb
