// SPDX-License-Identifier: BSD-2-Clause
// The 40 bytes in front of every datagram received: what a RoCE v2 adapter would have seen on the wire. InfiniBand
// specification, annex A17.
#pragma once

#include <array>

#include "wire/packet.h"

namespace vb::wire {

using Grh = std::array<unsigned char, 40>;

/// From an IPv4-mapped source to an IPv4 address: 20 bytes of zero and an IPv4 header; else an IPv6 header.
/// `immediate`: immediate data stands in front of the payload on the wire.
Grh make_grh(const DatagramHeader& header, bool immediate);

/// What completions have as `sl`: RoCE v2 carries no service level, but the consumer is to learn which header came
/// (annex A17.4.5.1). As adapters say it: bit 3, a UDP header; bits 0 to 2, 2 for IPv4, 1 for IPv6.
uint8_t network_type(const DatagramHeader& header);

}  // namespace vb::wire
