// SPDX-License-Identifier: BSD-2-Clause
// ibv_attach_mcast, ibv_detach_mcast: queue pairs in multicast groups.
#pragma once

#include <infiniband/verbs.h>

#include "base/export.h"
#include "base/result.h"
#include "transport/address_handle.h"
#include "verbs/qp.h"

namespace vb {

/// A group on the device's interface. Multicasts travel by the protocol of the device's first GID. EADDRNOTAVAIL: the
/// interface has no address any more.
Result<GroupName> group_of(const Device& device, const Gid& gid);

/// EINVAL: not a UD queue pair, or not a multicast GID. ENOMEM: a limit of ibv_query_device is reached. Attaching twice
/// is attaching once.
VB_API Result<void> attach_mcast(Qp& qp, const union ibv_gid& gid);
/// EINVAL: it is not attached.
VB_API Result<void> detach_mcast(Qp& qp, const union ibv_gid& gid);

}  // namespace vb
