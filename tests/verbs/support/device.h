// SPDX-License-Identifier: BSD-2-Clause
// Which device the suite runs on: VERBATIM_TEST_DEVICE, or else the first in the list.
#pragma once

#include <string>

#include "support/verbs_ptr.h"

namespace vt {

constexpr uint8_t kPort = 1;

std::string device_name();
ContextPtr open_device();  // throws std::runtime_error

// VERBATIM_TEST_GID_INDEX, or else the IPv4-mapped entry, or else 1.
int gid_index(ibv_context* context);
// The first entry that is an IPv6 address; -1: there is none.
int ipv6_gid_index(ibv_context* context);
ibv_gid gid_at(ibv_context* context, int index);
ibv_mtu active_mtu(ibv_context* context);
bool is_v4_mapped(const ibv_gid& gid);

bool device_is_rxe();
bool device_is_ours();  // a device of the library under test, not of a kernel driver

}  // namespace vt
