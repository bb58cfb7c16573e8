// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/flow_spec.h"

#include <cstring>

#include "base/log.h"
#include "verbs/counters.h"

namespace vb {
namespace {

using Header = FlowMatch::Header;

constexpr size_t kMaxSpecs = 32;

/// A specification of the program's, whole.
template <class Spec>
bool read(const unsigned char* at, uint16_t size, Spec& spec) {
  if (size < sizeof spec) return false;
  std::memcpy(static_cast<void*>(&spec), at, sizeof spec);
  return true;
}

class Parser {
 public:
  explicit Parser(ParsedFlow& flow) : flow_(flow) {}
  Result<void> add(const unsigned char* at, uint32_t type, uint16_t size);

 private:
  FlowMatch& match(Header header) {
    FlowMatch fresh;
    fresh.header = header;
    fresh.inner = inner_;
    flow_.rule.matches.push_back(fresh);
    return flow_.rule.matches.back();
  }
  bool ethernet(const ibv_flow_spec_eth& spec);
  bool ipv4(const ibv_flow_spec_ipv4& spec);
  bool ipv4_ext(const ibv_flow_spec_ipv4_ext& spec);
  bool ipv6(const ibv_flow_spec_ipv6& spec);
  bool ports(Header header, const ibv_flow_spec_tcp_udp& spec);
  bool esp(const ibv_flow_spec_esp& spec);
  bool vxlan(const ibv_flow_spec_tunnel& spec);
  bool gre(const ibv_flow_spec_gre& spec);
  bool mpls(const ibv_flow_spec_mpls& spec);

  ParsedFlow& flow_;
  bool inner_ = false;
};

bool Parser::ethernet(const ibv_flow_spec_eth& spec) {
  FlowMatch& header = match(Header::kEthernet);
  header.require(0, spec.val.dst_mac, spec.mask.dst_mac, 6);
  header.require(6, spec.val.src_mac, spec.mask.src_mac, 6);
  header.require(12, &spec.val.ether_type, &spec.mask.ether_type, 2);
  if (spec.mask.vlan_tag != 0) match(Header::kVlan).require(0, &spec.val.vlan_tag, &spec.mask.vlan_tag, 2);
  return true;
}

bool Parser::ipv4(const ibv_flow_spec_ipv4& spec) {
  FlowMatch& header = match(Header::kIpv4);
  header.require(12, &spec.val.src_ip, &spec.mask.src_ip, 4);
  header.require(16, &spec.val.dst_ip, &spec.mask.dst_ip, 4);
  return true;
}

/// The kernel's three flag bits (1: reserved, 2: don't fragment, 4: more fragments) where they stand on the wire.
unsigned char wire_flags(uint8_t flags) {
  return static_cast<unsigned char>((flags & 1) << 7 | (flags & 2) << 5 | (flags & 4) << 3);
}

bool Parser::ipv4_ext(const ibv_flow_spec_ipv4_ext& spec) {
  FlowMatch& header = match(Header::kIpv4);
  header.require(12, &spec.val.src_ip, &spec.mask.src_ip, 4);
  header.require(16, &spec.val.dst_ip, &spec.mask.dst_ip, 4);
  header.require(9, &spec.val.proto, &spec.mask.proto, 1);
  header.require(1, &spec.val.tos, &spec.mask.tos, 1);
  header.require(8, &spec.val.ttl, &spec.mask.ttl, 1);
  const unsigned char flags = wire_flags(spec.val.flags), care = wire_flags(spec.mask.flags);
  header.require(6, &flags, &care, 1);
  return true;
}

/// Traffic class and flow label, as the first word of the header.
uint32_t first_word(const ibv_flow_ipv6_filter& filter) {
  unsigned char label[4];
  std::memcpy(label, &filter.flow_label, sizeof label);
  unsigned char word[4];
  ether::put32(word, uint32_t{filter.traffic_class} << 20 | (ether::get32(label) & 0xfffff));
  uint32_t bytes;
  std::memcpy(&bytes, word, sizeof bytes);
  return bytes;
}

bool Parser::ipv6(const ibv_flow_spec_ipv6& spec) {
  FlowMatch& header = match(Header::kIpv6);
  header.require(8, spec.val.src_ip, spec.mask.src_ip, 16);
  header.require(24, spec.val.dst_ip, spec.mask.dst_ip, 16);
  header.require(6, &spec.val.next_hdr, &spec.mask.next_hdr, 1);
  header.require(7, &spec.val.hop_limit, &spec.mask.hop_limit, 1);
  const uint32_t word = first_word(spec.val), care = first_word(spec.mask);
  header.require(0, &word, &care, 4);
  return true;
}

bool Parser::ports(Header kind, const ibv_flow_spec_tcp_udp& spec) {
  FlowMatch& header = match(kind);
  header.require(0, &spec.val.src_port, &spec.mask.src_port, 2);
  header.require(2, &spec.val.dst_port, &spec.mask.dst_port, 2);
  return true;
}

bool Parser::esp(const ibv_flow_spec_esp& spec) {
  FlowMatch& header = match(Header::kEsp);
  header.require(0, &spec.val.spi, &spec.mask.spi, 4);
  header.require(4, &spec.val.seq, &spec.mask.seq, 4);
  return true;
}

/// The network identifier is the lower 24 bits of the field, and the middle 24 of the header's second word.
bool Parser::vxlan(const ibv_flow_spec_tunnel& spec) {
  const auto* value = reinterpret_cast<const unsigned char*>(&spec.val.tunnel_id);
  const auto* care = reinterpret_cast<const unsigned char*>(&spec.mask.tunnel_id);
  match(Header::kVxlan).require(4, value + 1, care + 1, 3);
  return true;
}

bool Parser::gre(const ibv_flow_spec_gre& spec) {
  FlowMatch& header = match(Header::kGre);
  header.require(0, &spec.val.c_ks_res0_ver, &spec.mask.c_ks_res0_ver, 2);
  header.require(2, &spec.val.protocol, &spec.mask.protocol, 2);
  if (spec.mask.key != 0) match(Header::kGreKey).require(0, &spec.val.key, &spec.mask.key, 4);
  return true;
}

bool Parser::mpls(const ibv_flow_spec_mpls& spec) {
  match(Header::kMpls).require(0, &spec.val.label, &spec.mask.label, 4);
  return true;
}

Result<void> Parser::add(const unsigned char* at, uint32_t type, uint16_t size) {
  inner_ = type & IBV_FLOW_SPEC_INNER;
  const auto with = [&](auto spec, auto then) { return read(at, size, spec) && then(spec); };
  bool fine = false;
  switch (type & ~uint32_t{IBV_FLOW_SPEC_INNER}) {
    case IBV_FLOW_SPEC_ETH: fine = with(ibv_flow_spec_eth{}, [&](auto& spec) { return ethernet(spec); }); break;
    case IBV_FLOW_SPEC_IPV4: fine = with(ibv_flow_spec_ipv4{}, [&](auto& spec) { return ipv4(spec); }); break;
    case IBV_FLOW_SPEC_IPV4_EXT:
      fine = with(ibv_flow_spec_ipv4_ext{}, [&](auto& spec) { return ipv4_ext(spec); });
      break;
    case IBV_FLOW_SPEC_IPV6: fine = with(ibv_flow_spec_ipv6{}, [&](auto& spec) { return ipv6(spec); }); break;
    case IBV_FLOW_SPEC_TCP:
      fine = with(ibv_flow_spec_tcp_udp{}, [&](auto& spec) { return ports(Header::kTcp, spec); });
      break;
    case IBV_FLOW_SPEC_UDP:
      fine = with(ibv_flow_spec_tcp_udp{}, [&](auto& spec) { return ports(Header::kUdp, spec); });
      break;
    case IBV_FLOW_SPEC_ESP: fine = with(ibv_flow_spec_esp{}, [&](auto& spec) { return esp(spec); }); break;
    case IBV_FLOW_SPEC_VXLAN_TUNNEL:
      fine = with(ibv_flow_spec_tunnel{}, [&](auto& spec) { return vxlan(spec); });
      break;
    case IBV_FLOW_SPEC_GRE: fine = with(ibv_flow_spec_gre{}, [&](auto& spec) { return gre(spec); }); break;
    case IBV_FLOW_SPEC_MPLS: fine = with(ibv_flow_spec_mpls{}, [&](auto& spec) { return mpls(spec); }); break;
    case IBV_FLOW_SPEC_ACTION_TAG:
      fine = with(ibv_flow_spec_action_tag{}, [&](auto& spec) {
        flow_.rule.tag = spec.tag_id;
        return spec.tag_id < (1u << 24);
      });
      break;
    case IBV_FLOW_SPEC_ACTION_DROP: fine = flow_.rule.drop = true; break;
    case IBV_FLOW_SPEC_ACTION_COUNT:
      fine = with(ibv_flow_spec_counter_action{}, [&](auto& spec) {
        if (spec.counters) flow_.counters.push_back(&Counters::from(spec.counters));
        return spec.counters != nullptr;
      });
      break;
    case IBV_FLOW_SPEC_ACTION_HANDLE: return Error{EOPNOTSUPP};
  }
  return fine ? Result<void>() : Error{EINVAL};
}

Result<void> check(const ibv_flow_attr& attr) {
  constexpr uint32_t kKnown = IBV_FLOW_ATTR_FLAGS_DONT_TRAP | IBV_FLOW_ATTR_FLAGS_EGRESS;
  if (attr.comp_mask != 0 || attr.port != 1 || attr.type > IBV_FLOW_ATTR_SNIFFER || (attr.flags & ~kKnown) ||
      attr.num_of_specs > kMaxSpecs) {
    return Error{EINVAL};
  }
  if (!(attr.flags & IBV_FLOW_ATTR_FLAGS_EGRESS)) return {};
  static std::atomic<bool> told{false};
  log_once(told, LogLevel::warn, "egress flow rules are not supported: what is sent is not steered (EOPNOTSUPP)");
  return Error{EOPNOTSUPP};
}

}  // namespace

Result<ParsedFlow> parse_flow(const ibv_flow_attr& attr) {
  if (auto fine = check(attr); !fine) return Error{fine.error()};
  ParsedFlow flow;
  flow.rule.type = attr.type;
  flow.rule.priority = attr.priority;
  flow.rule.passes_on = attr.flags & IBV_FLOW_ATTR_FLAGS_DONT_TRAP;
  Parser parser(flow);
  const auto* at = reinterpret_cast<const unsigned char*>(&attr + 1);
  for (int i = 0; i < attr.num_of_specs; ++i) {
    uint32_t type;
    uint16_t size;
    std::memcpy(&type, at, sizeof type);
    std::memcpy(&size, at + sizeof type, sizeof size);
    if (size < sizeof type + sizeof size) return Error{EINVAL};
    if (auto added = parser.add(at, type, size); !added) return Error{added.error()};
    at += size;
  }
  // The other types are for all frames, or for all that go to groups.
  if (attr.type != IBV_FLOW_ATTR_NORMAL && !flow.rule.matches.empty()) return Error{EINVAL};
  return flow;
}

}  // namespace vb
