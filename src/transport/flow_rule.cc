// SPDX-License-Identifier: BSD-2-Clause
#include "transport/flow_rule.h"

#include <algorithm>

namespace vb {
namespace {

using Header = FlowMatch::Header;

const unsigned char* gre_key(const unsigned char* gre) {
  constexpr uint16_t kChecksum = 0x8000, kKey = 0x2000;
  if (!gre) return nullptr;
  const uint16_t flags = ether::get16(gre);
  if (!(flags & kKey)) return nullptr;
  return gre + ((flags & kChecksum) ? 8 : 4);
}

/// Where the header is in a frame; nullptr: it has none.
const unsigned char* find(const ether::Frame& frame, Header header, bool inner) {
  const ether::Layers& layers = inner ? frame.inner : frame.outer;
  const auto l4 = [&](uint8_t protocol) { return layers.protocol == protocol ? layers.l4 : nullptr; };
  switch (header) {
    case Header::kEthernet: return layers.ethernet;
    case Header::kVlan: return layers.vlan ? layers.ethernet : nullptr;
    case Header::kIpv4: return layers.ip_version == 4 ? layers.ip : nullptr;
    case Header::kIpv6: return layers.ip_version == 6 ? layers.ip : nullptr;
    case Header::kTcp: return l4(ether::kTcp);
    case Header::kUdp: return l4(ether::kUdp);
    case Header::kEsp: return l4(ether::kEsp);
    case Header::kVxlan: return frame.vxlan;
    case Header::kGre: return frame.gre;
    case Header::kGreKey: return gre_key(frame.gre);
    case Header::kMpls: return frame.mpls;
  }
  return nullptr;
}

bool equal(const unsigned char* bytes, const FlowMatch& match) {
  for (size_t i = 0; i < match.size; ++i) {
    if ((bytes[i] ^ match.value[i]) & match.mask[i]) return false;
  }
  return true;
}

}  // namespace

bool FlowMatch::matches(const ether::Frame& frame) const {
  const unsigned char* at = find(frame, header, inner);
  if (!at) return false;
  const ether::Layers& layers = inner ? frame.inner : frame.outer;
  if (header == Header::kEthernet) {
    // The type that counts is the one behind VLAN tags.
    std::array<unsigned char, ether::kHeader> plain;
    std::copy_n(at, ether::kHeader, plain.begin());
    ether::put16(&plain[12], layers.ether_type);
    return equal(plain.data(), *this);
  }
  if (header == Header::kVlan) {
    unsigned char tci[2];
    ether::put16(tci, layers.vlan_tci);
    return equal(tci, *this);
  }
  return size <= frame.end() - at && equal(at, *this);
}

void FlowMatch::require(size_t offset, const void* bits, const void* care, size_t length) {
  const auto* from = static_cast<const unsigned char*>(bits);
  const auto* under = static_cast<const unsigned char*>(care);
  for (size_t i = 0; i < length; ++i) {
    if (!under[i]) continue;
    mask[offset + i] |= under[i];
    value[offset + i] = static_cast<unsigned char>((value[offset + i] & ~under[i]) | (from[i] & under[i]));
    size = std::max<uint8_t>(size, static_cast<uint8_t>(offset + i + 1));
  }
}

bool FlowRule::applies(const ether::Frame& frame) const {
  return std::all_of(matches.begin(), matches.end(), [&](const FlowMatch& match) { return match.matches(frame); });
}

void FlowRule::count(size_t bytes) const {
  for (FlowCounts* each : counts) {
    each->packets.fetch_add(1, std::memory_order_relaxed);
    each->bytes.fetch_add(bytes, std::memory_order_relaxed);
  }
}

}  // namespace vb
