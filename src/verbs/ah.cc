// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/ah.h"

#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "base/fd.h"
#include "verbs/interfaces.h"
#include "verbs/mcast.h"
#include "verbs/neighbour.h"
#include "verbs/route.h"

namespace vb {

namespace {

constexpr size_t kGrhSize = 40;

Device& device_of(ibv_context* context) { return *Context::from(context).device; }

bool well_formed(const ibv_ah_attr& attr) { return attr.port_num == 1 && attr.is_global; }

/// Asks the kernel's routing table, as an adapter's driver does when it makes an address handle.
Result<void> check_route(const Ends& ends) {
  Fd socket(::socket(ends.source.get()->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return Error{errno};
  if (bind(socket.get(), ends.source.get(), ends.source.length) != 0) return Error{EINVAL};
  SocketAddress to = with_port(ends.destination, 9);  // nothing is sent there
  if (connect(socket.get(), to.get(), to.length) == 0) return {};
  return Error{errno == EHOSTUNREACH ? EHOSTUNREACH : ENETUNREACH};
}

wire::DatagramHeader header_of(const ibv_ah_attr& attr, const Gid& sgid) {
  wire::DatagramHeader header{};
  header.class_and_flow = uint32_t{attr.grh.traffic_class} << 20 | (attr.grh.flow_label & 0xfffff);
  header.hop_limit = attr.grh.hop_limit;
  std::copy(sgid.raw.begin(), sgid.raw.end(), header.sgid);
  memcpy(header.dgid, attr.grh.dgid.raw, sizeof header.dgid);
  return header;
}

Result<void> lead_to_host(AddressHandle& handle, const Device& device, const ibv_global_route& route) {
  auto ends = resolve(device, route);
  if (!ends) return Error{ends.error()};
  handle.source = ends->source;
  handle.destination = ends->destination;
  return check_route(*ends);
}

Result<void> lead_to_group(AddressHandle& handle, const Device& device, const ibv_global_route& route) {
  auto group = group_of(device, to_gid(route.dgid));
  if (!group) return Error{group.error()};
  handle.multicast = true;
  handle.group = *group;
  return {};
}

}  // namespace

Result<Ah*> create_ah(Pd& pd, const ibv_ah_attr& attr) {
  if (!well_formed(attr)) return Error{EINVAL};
  const Device& device = device_of(pd.abi.context);
  auto sgid = source_gid(device, attr.grh.sgid_index);
  if (!sgid) return Error{sgid.error()};
  auto ah = std::make_unique<Ah>();
  ah->transport = new AddressHandle;
  ah->transport->pd = pd.domain;
  ah->transport->header = header_of(attr, *sgid);
  auto led = is_group(to_gid(attr.grh.dgid)) ? lead_to_group(*ah->transport, device, attr.grh)
                                             : lead_to_host(*ah->transport, device, attr.grh);
  if (!led) {
    ah->transport->release();
    return Error{led.error()};
  }
  ah->abi.context = pd.abi.context;
  ah->abi.pd = &pd.abi;
  ++pd.uses;
  return ah.release();
}

Result<void> destroy_ah(Ah& ah) {
  ah.transport->release();
  --Pd::from(ah.abi.pd).uses;
  delete &ah;
  return {};
}

// --- the way back
// ------------------------------------------------------------------------------------------------

namespace {

/// The index of a GID in the device's table.
Result<uint8_t> index_of(const Device& device, const Gid& gid) {
  std::vector<GidEntry> gids = gid_table(device);
  for (size_t i = 0; i < gids.size(); ++i) {
    if (gids[i].valid && to_gid(gids[i].gid) == gid) return static_cast<uint8_t>(i);
  }
  return Error{ENOENT};
}

uint16_t sum_of(const iphdr& ip) {
  uint16_t words[sizeof ip / 2];
  memcpy(words, &ip, sizeof ip);
  uint32_t sum = 0;
  for (uint16_t word : words) sum += word;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

/// The last 20 bytes are an IPv4 header if they say so and their checksum agrees: the first 20 may hold anything then.
bool holds_ipv4(const iphdr& ip) { return ip.version == 4 && ip.ihl == 5 && sum_of(ip) == 0xffff; }

Result<ibv_global_route> way_back(const Device& device, Gid from, const Gid& to) {
  auto index = index_of(device, to);
  if (!index) return Error{index.error()};
  ibv_global_route route{};
  memcpy(route.dgid.raw, from.raw.data(), sizeof route.dgid.raw);
  route.sgid_index = *index;
  return route;
}

Result<ibv_global_route> way_back_ipv4(const Device& device, const iphdr& ip) {
  if (IN_MULTICAST(ntohl(ip.daddr))) return Error{EINVAL};
  auto route = way_back(device, mapped_gid(in_addr{ip.saddr}), mapped_gid(in_addr{ip.daddr}));
  if (!route) return route;
  route->traffic_class = ip.tos;
  route->hop_limit = ip.ttl;
  return route;
}

Result<ibv_global_route> way_back_ipv6(const Device& device, const ip6_hdr& ip) {
  if (IN6_IS_ADDR_MULTICAST(&ip.ip6_dst)) return Error{EINVAL};
  auto route = way_back(device, ipv6_gid(ip.ip6_src), ipv6_gid(ip.ip6_dst));
  if (!route) return route;
  uint32_t flow = ntohl(ip.ip6_flow);
  route->traffic_class = static_cast<uint8_t>(flow >> 20);
  route->flow_label = flow & 0xfffff;
  route->hop_limit = ip.ip6_hlim;
  return route;
}

Result<ibv_global_route> way_back(const Device& device, const ibv_grh& grh) {
  iphdr ipv4;
  ip6_hdr ipv6;
  memcpy(&ipv4, reinterpret_cast<const char*>(&grh) + kGrhSize - sizeof ipv4, sizeof ipv4);
  memcpy(&ipv6, &grh, sizeof ipv6);
  if (holds_ipv4(ipv4)) return way_back_ipv4(device, ipv4);
  // The device's GIDs are of RoCE v2 alone, which is UDP.
  if (ntohl(ipv6.ip6_flow) >> 28 != 6 || ipv6.ip6_nxt != IPPROTO_UDP) return Error{EPROTONOSUPPORT};
  return way_back_ipv6(device, ipv6);
}

}  // namespace

Result<ibv_ah_attr> ah_attr_from_wc(ibv_context* context, uint8_t port, const ibv_wc& wc, const ibv_grh& grh) {
  ibv_ah_attr attr{};
  attr.dlid = wc.slid;
  attr.sl = wc.sl;
  attr.src_path_bits = wc.dlid_path_bits;
  attr.port_num = port;
  if (!(wc.wc_flags & IBV_WC_GRH)) return attr;
  auto route = way_back(device_of(context), grh);
  if (!route) return Error{route.error()};
  attr.grh = *route;
  attr.is_global = 1;
  return attr;
}

// --- link addresses
// ----------------------------------------------------------------------------------------------

namespace {

/// Ethernet's addresses for groups: RFC 1112, RFC 2464.
MacAddress group_mac(const uint8_t (&gid)[16]) {
  bool ipv4 = gid[0] != 0xff;
  if (ipv4) return {0x01, 0x00, 0x5e, static_cast<uint8_t>(gid[13] & 0x7f), gid[14], gid[15]};
  return {0x33, 0x33, gid[12], gid[13], gid[14], gid[15]};
}

MacAddress mac_of(const Interface& netdev) {
  MacAddress mac{};
  if (netdev.mac.size() == mac.size()) std::copy(netdev.mac.begin(), netdev.mac.end(), mac.begin());
  return mac;
}

bool has(const Interface& netdev, const Gid& gid) {
  auto ipv4 = gid_ipv4(gid);
  if (ipv4) {
    return std::any_of(netdev.ipv4.begin(), netdev.ipv4.end(), [&](auto& each) { return each.s_addr == ipv4->s_addr; });
  }
  return std::any_of(netdev.ipv6.begin(), netdev.ipv6.end(), [&](auto& each) { return ipv6_gid(each) == gid; });
}

}  // namespace

Result<MacAddress> resolve_mac(ibv_context* context, const ibv_ah_attr& attr) {
  if (!well_formed(attr)) return Error{EINVAL};
  if (is_group(to_gid(attr.grh.dgid))) return group_mac(attr.grh.dgid.raw);
  const Device& device = device_of(context);
  auto ends = resolve(device, attr.grh);
  if (!ends) return Error{ends.error()};
  for (const Interface& netdev : list_interfaces()) {
    if (has(netdev, to_gid(attr.grh.dgid))) return mac_of(netdev);
  }
  return neighbour_mac(device.netdev, ends->destination);
}

}  // namespace vb
