// SPDX-License-Identifier: BSD-2-Clause
// What an adapter's offloads do to frames: checksums of IPv4, TCP and UDP, and TCP segmentation.
#pragma once

#include <cstdint>
#include <span>

#include "transport/ether_frame.h"

namespace vb::ether {

/// Whether the checksums of the outer headers are right, of those that are there. A UDP checksum of 0 over IPv4 is
/// none.
bool checksums_good(const Frame& frame);

/// Writes the checksums of the outer headers into the frame. Fragments keep theirs.
void complete_checksums(std::span<unsigned char> bytes);

/// What makes one segment of a large TCP message.
struct Segment {
  uint32_t offset = 0;  ///< of its first byte in the message
  uint32_t number = 0;  ///< it is the how manieth, from 0
  bool last = false;
};

/// `bytes`: the headers of the message (IPv4 or IPv6, TCP), as the program wrote them, with the segment's payload
/// behind them. Writes lengths, identification, sequence number, flags and checksums. False: these are no such headers.
bool finish_segment(std::span<unsigned char> bytes, const Segment& segment);

}  // namespace vb::ether
