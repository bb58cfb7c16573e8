// SPDX-License-Identifier: BSD-2-Clause
// The kernel's neighbour table.
#pragma once

#include <array>
#include <cstdint>

#include "base/gid.h"
#include "base/result.h"

namespace vb {

/// The link address of a host on an interface's link. ENETUNREACH: the kernel does not know it.
Result<std::array<uint8_t, 6>> neighbour_mac(uint32_t netdev, const SocketAddress& host);

}  // namespace vb
