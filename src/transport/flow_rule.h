// SPDX-License-Identifier: BSD-2-Clause
// One rule of flow steering: which frames it is for, and what happens to them. ibv_create_flow(3).
#pragma once

#include <infiniband/verbs.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "transport/ether_frame.h"

namespace vb {

class FrameTarget;

/// What a rule has seen. Written under the lane's lock, read by anybody.
struct FlowCounts {
  std::atomic<uint64_t> packets{0};
  std::atomic<uint64_t> bytes{0};
};

/// What one header must hold: `value` under `mask`, both as they are on the wire.
struct FlowMatch {
  enum class Header : uint8_t { kEthernet, kVlan, kIpv4, kIpv6, kTcp, kUdp, kEsp, kVxlan, kGre, kGreKey, kMpls };
  static constexpr size_t kMost = 40;  ///< bytes of the longest header, IPv6

  Header header = Header::kEthernet;
  bool inner = false;
  uint8_t size = 0;  ///< bytes that are compared, from the header's first
  std::array<unsigned char, kMost> value{};
  std::array<unsigned char, kMost> mask{};

  bool matches(const ether::Frame& frame) const;
  /// Requires the bits of `bits` under `care` at `offset`.
  void require(size_t offset, const void* bits, const void* care, size_t length);
  bool operator==(const FlowMatch&) const = default;
};

struct FlowRule {
  ibv_flow_attr_type type = IBV_FLOW_ATTR_NORMAL;
  uint16_t priority = 0;   ///< 0 is the highest
  bool passes_on = false;  ///< the frame is looked at by lower rules too (DONT_TRAP)
  bool drop = false;
  uint32_t tag = 0;
  std::vector<FlowMatch> matches;  ///< all of them
  FrameTarget* target = nullptr;
  std::vector<FlowCounts*> counts;

  bool applies(const ether::Frame& frame) const;
  /// Whether the two are for the same frames at the same place.
  bool alike(const FlowRule& other) const {
    return type == other.type && priority == other.priority && matches == other.matches;
  }
  void count(size_t bytes) const;
};

}  // namespace vb
