// SPDX-License-Identifier: BSD-2-Clause
#include "wire/grh.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>

#include <algorithm>

namespace vb::wire {

namespace {

constexpr size_t kUdp = 8, kBth = 12, kDeth = 8, kImmDt = 4, kIcrc = 4;
constexpr uint8_t kDefaultHopLimit = 64;
constexpr uint8_t kUdpHeader = 8, kIpv4Header = 2, kIpv6Header = 1;
constexpr unsigned char kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned char kEmbedded[12] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0x5e, 0xfe};

/// What follows the IP header.
uint16_t transport_size(const DatagramHeader& header, bool immediate) {
  size_t payload = (size_t{header.length} + 3) & ~size_t{3};
  return static_cast<uint16_t>(kUdp + kBth + kDeth + (immediate ? kImmDt : 0) + payload + kIcrc);
}

uint16_t checksum(const iphdr& ip) {
  uint16_t words[sizeof ip / 2];
  memcpy(words, &ip, sizeof ip);
  uint32_t sum = 0;
  for (uint16_t word : words) sum += word;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

template <size_t size>
bool begins(const unsigned char (&gid)[16], const unsigned char (&prefix)[size]) {
  return std::equal(prefix, prefix + size, gid);
}

bool by_ipv4(const DatagramHeader& header) {
  return begins(header.sgid, kMapped) && (begins(header.dgid, kMapped) || begins(header.dgid, kEmbedded));
}

Grh ipv4(const DatagramHeader& header, bool immediate) {
  iphdr ip{};
  ip.version = 4;
  ip.ihl = 5;
  ip.tos = static_cast<uint8_t>(header.class_and_flow >> 20);
  ip.tot_len = htons(static_cast<uint16_t>(sizeof ip + transport_size(header, immediate)));
  ip.frag_off = htons(IP_DF);
  ip.ttl = header.hop_limit ? header.hop_limit : kDefaultHopLimit;
  ip.protocol = IPPROTO_UDP;
  memcpy(&ip.saddr, header.sgid + 12, sizeof ip.saddr);
  memcpy(&ip.daddr, header.dgid + 12, sizeof ip.daddr);
  ip.check = checksum(ip);
  Grh grh{};
  memcpy(grh.data() + grh.size() - sizeof ip, &ip, sizeof ip);
  return grh;
}

Grh ipv6(const DatagramHeader& header, bool immediate) {
  ip6_hdr ip{};
  ip.ip6_flow = htonl(6u << 28 | (header.class_and_flow & 0x0fffffff));
  ip.ip6_plen = htons(transport_size(header, immediate));
  ip.ip6_nxt = IPPROTO_UDP;
  ip.ip6_hlim = header.hop_limit ? header.hop_limit : kDefaultHopLimit;
  memcpy(&ip.ip6_src, header.sgid, sizeof ip.ip6_src);
  memcpy(&ip.ip6_dst, header.dgid, sizeof ip.ip6_dst);
  Grh grh;
  static_assert(sizeof ip == sizeof grh);
  memcpy(grh.data(), &ip, sizeof ip);
  return grh;
}

}  // namespace

Grh make_grh(const DatagramHeader& header, bool immediate) {
  return by_ipv4(header) ? ipv4(header, immediate) : ipv6(header, immediate);
}

uint8_t network_type(const DatagramHeader& header) {
  return by_ipv4(header) ? kUdpHeader | kIpv4Header : kUdpHeader | kIpv6Header;
}

}  // namespace vb::wire
