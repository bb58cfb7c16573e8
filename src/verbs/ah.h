// SPDX-License-Identifier: BSD-2-Clause
// ibv_ah: address handles.
#pragma once

#include <infiniband/verbs.h>

#include <array>

#include "base/export.h"
#include "base/result.h"
#include "transport/address_handle.h"
#include "verbs/pd.h"

namespace vb {

struct Ah {
  ibv_ah abi{};
  AddressHandle* transport = nullptr;  ///< a reference: posted work requests hold others

  static Ah& from(ibv_ah* ah) { return *reinterpret_cast<Ah*>(ah); }
};

/// EINVAL: a port, GID index or destination GID that there is not, or no global route (an Ethernet link needs one).
/// ENETUNREACH, EHOSTUNREACH: the host has no route to it.
VB_API Result<Ah*> create_ah(Pd& pd, const ibv_ah_attr& attr);
/// Work requests that are posted keep what they need.
VB_API Result<void> destroy_ah(Ah& ah);
/// The way back to who sent a datagram. EINVAL: it went to a multicast group, or there was no GRH in front of it;
/// EPROTONOSUPPORT: neither IPv4 nor IPv6; ENOENT: it came to an address that is none of the device's.
VB_API Result<ibv_ah_attr> ah_attr_from_wc(ibv_context* context, uint8_t port, const ibv_wc& wc, const ibv_grh& grh);

using MacAddress = std::array<uint8_t, 6>;

/// The link address that leads to attr.grh.dgid: of a group, of the interface itself, or what the neighbour table says.
/// EINVAL as create_ah; ENETUNREACH: another host, which the neighbour table does not know.
VB_API Result<MacAddress> resolve_mac(ibv_context* context, const ibv_ah_attr& attr);

}  // namespace vb
