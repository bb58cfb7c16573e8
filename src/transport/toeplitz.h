// SPDX-License-Identifier: BSD-2-Clause
// Receive-side scaling: the Toeplitz hash of a frame's addresses and ports.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "transport/ether_frame.h"

namespace vb {

inline constexpr size_t kToeplitzKey = 40;

/// The hash of up to kToeplitzKey - 4 bytes.
uint32_t toeplitz(const std::array<unsigned char, kToeplitzKey>& key, std::span<const unsigned char> bytes);

/// The hash over those of `fields` (ibv_rx_hash_fields) that the frame has, in the order source address, destination
/// address, source port, destination port, SPI. 0 when it has none of them.
uint32_t receive_hash(const std::array<unsigned char, kToeplitzKey>& key, uint64_t fields, const ether::Frame& frame);

}  // namespace vb
