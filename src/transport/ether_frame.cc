// SPDX-License-Identifier: BSD-2-Clause
#include "transport/ether_frame.h"

namespace vb::ether {
namespace {

constexpr uint16_t kVxlanPort = 4789, kMplsPort = 6635, kBridgedOverGre = 0x6558;

/// What is left of a frame.
class Cursor {
 public:
  Cursor(const unsigned char* at, const unsigned char* end) : at_(at), end_(end) {}
  /// The next `size` bytes, or nullptr.
  const unsigned char* take(size_t size) {
    if (left() < size) return nullptr;
    const unsigned char* taken = at_;
    at_ += size;
    return taken;
  }
  const unsigned char* peek(size_t size) const { return left() < size ? nullptr : at_; }
  size_t left() const { return static_cast<size_t>(end_ - at_); }

 private:
  const unsigned char* at_;
  const unsigned char* end_;
};

bool parse_ethernet(Cursor& cursor, Layers& layers) {
  const unsigned char* header = cursor.take(kHeader);
  if (!header) return false;
  layers.ethernet = header;
  layers.ether_type = get16(header + 12);
  while (layers.ether_type == kVlan || layers.ether_type == kServiceVlan) {
    const unsigned char* tag = cursor.take(4);
    if (!tag) return true;
    layers.vlan = true;
    layers.vlan_tci = get16(tag);
    layers.ether_type = get16(tag + 2);
  }
  return true;
}

void parse_ipv4(Cursor& cursor, Layers& layers) {
  const unsigned char* header = cursor.peek(20);
  if (!header || header[0] >> 4 != 4) return;
  const size_t size = size_t{header[0] & 0x0fu} * 4;
  if (size < 20 || !cursor.take(size)) return;
  layers.ip = header;
  layers.ip_version = 4;
  layers.protocol = header[9];
  const uint16_t fragment = get16(header + 6);
  layers.fragment = (fragment & 0x3fff) != 0;
  if ((fragment & 0x1fff) == 0) layers.l4 = cursor.peek(0);
}

/// Hop-by-hop options, routing and destination options stand between an IPv6 header and what it carries.
bool parse_ipv6_option(Cursor& cursor, Layers& layers) {
  constexpr uint8_t kHopByHop = 0, kRouting = 43, kDestination = 60;
  if (layers.protocol != kHopByHop && layers.protocol != kRouting && layers.protocol != kDestination) return false;
  const unsigned char* option = cursor.peek(8);
  if (!option || !cursor.take(size_t{option[1]} * 8 + 8)) return false;
  layers.protocol = option[0];
  return true;
}

void parse_ipv6(Cursor& cursor, Layers& layers) {
  constexpr uint8_t kFragment = 44;
  const unsigned char* header = cursor.peek(40);
  if (!header || header[0] >> 4 != 6) return;
  cursor.take(40);
  layers.ip = header;
  layers.ip_version = 6;
  layers.protocol = header[6];
  while (parse_ipv6_option(cursor, layers)) {
  }
  if (layers.protocol != kFragment) {
    layers.l4 = cursor.peek(0);
    return;
  }
  layers.fragment = true;
  const unsigned char* fragment = cursor.take(8);
  if (!fragment) return;
  layers.protocol = fragment[0];
  if ((get16(fragment + 2) & 0xfff8) == 0) layers.l4 = cursor.peek(0);
}

/// A known L4 header is whole, or it is not there.
void check_l4(const Cursor& cursor, Layers& layers) {
  const size_t needed = layers.protocol == kTcp ? 20 : layers.protocol == kUdp || layers.protocol == kEsp ? 8 : 0;
  if (layers.l4 && !cursor.peek(needed)) layers.l4 = nullptr;
}

void parse_ip(Cursor& cursor, Layers& layers) {
  if (layers.ether_type == kIpv4) parse_ipv4(cursor, layers);
  if (layers.ether_type == kIpv6) parse_ipv6(cursor, layers);
  check_l4(cursor, layers);
}

void parse_inner_ethernet(Cursor& cursor, Layers& inner) {
  if (parse_ethernet(cursor, inner)) parse_ip(cursor, inner);
}

/// Behind MPLS labels only the version tells what follows.
void parse_mpls(Cursor& cursor, Frame& frame) {
  frame.mpls = cursor.take(4);
  const unsigned char* label = frame.mpls;
  while (label && !(label[2] & 1)) label = cursor.take(4);
  const unsigned char* next = label ? cursor.peek(1) : nullptr;
  if (!next) return;
  frame.inner.ether_type = next[0] >> 4 == 4 ? kIpv4 : next[0] >> 4 == 6 ? kIpv6 : 0;
  parse_ip(cursor, frame.inner);
}

void parse_gre(Cursor& cursor, Frame& frame) {
  const unsigned char* header = cursor.take(4);
  if (!header) return;
  frame.gre = header;
  const uint16_t flags = get16(header);
  const size_t options = ((flags & 0x8000) ? 4 : 0) + ((flags & 0x2000) ? 4 : 0) + ((flags & 0x1000) ? 4 : 0);
  if (!cursor.take(options)) {
    frame.gre = nullptr;
    return;
  }
  frame.inner.ether_type = get16(header + 2);
  if (frame.inner.ether_type == kBridgedOverGre) return parse_inner_ethernet(cursor, frame.inner);
  if (frame.inner.ether_type == kMpls) return parse_mpls(cursor, frame);
  parse_ip(cursor, frame.inner);
}

void parse_tunnel(Cursor& cursor, Frame& frame) {
  const Layers& outer = frame.outer;
  if (!outer.l4) return;
  if (outer.protocol == kGre) return parse_gre(cursor, frame);
  if (outer.protocol != kUdp) return;
  const uint16_t port = get16(outer.l4 + 2);
  cursor.take(8);
  if (port == kMplsPort) return parse_mpls(cursor, frame);
  if (port != kVxlanPort) return;
  frame.vxlan = cursor.take(8);
  if (frame.vxlan) parse_inner_ethernet(cursor, frame.inner);
}

}  // namespace

bool parse(std::span<const unsigned char> bytes, Frame& frame) {
  frame = {};
  frame.bytes = bytes;
  Cursor cursor(bytes.data(), bytes.data() + bytes.size());
  if (!parse_ethernet(cursor, frame.outer)) return false;
  if (frame.outer.ether_type == kMpls) {
    parse_mpls(cursor, frame);
    return true;
  }
  parse_ip(cursor, frame.outer);
  parse_tunnel(cursor, frame);
  return true;
}

}  // namespace vb::ether
