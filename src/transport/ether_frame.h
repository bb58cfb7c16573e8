// SPDX-License-Identifier: BSD-2-Clause
// Where the headers of an Ethernet frame are. Frames come from anybody: every offset is checked against the length.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

namespace vb::ether {

inline constexpr size_t kHeader = 14;
inline constexpr uint16_t kIpv4 = 0x0800, kIpv6 = 0x86dd, kVlan = 0x8100, kServiceVlan = 0x88a8, kMpls = 0x8847;
inline constexpr uint8_t kTcp = 6, kUdp = 17, kGre = 47, kEsp = 50;

inline uint16_t get16(const unsigned char* at) { return static_cast<uint16_t>(at[0] << 8 | at[1]); }
inline uint32_t get32(const unsigned char* at) { return uint32_t{get16(at)} << 16 | get16(at + 2); }
inline void put16(unsigned char* at, uint32_t value) {
  at[0] = static_cast<unsigned char>(value >> 8);
  at[1] = static_cast<unsigned char>(value);
}
inline void put32(unsigned char* at, uint32_t value) {
  put16(at, value >> 16);
  put16(at + 2, value);
}

/// A header that is not there is nullptr; one that is there is whole, as far as its fixed part goes.
struct Layers {
  const unsigned char* ethernet = nullptr;
  const unsigned char* ip = nullptr;
  const unsigned char* l4 = nullptr;  ///< TCP, UDP, ESP or whatever stands behind IP; nullptr in later fragments
  uint16_t ether_type = 0;            ///< behind VLAN tags
  bool vlan = false;
  bool fragment = false;
  uint16_t vlan_tci = 0;
  uint8_t ip_version = 0;  ///< 4, 6 or 0
  uint8_t protocol = 0;    ///< of the header at l4
};

struct Frame {
  std::span<const unsigned char> bytes;
  Layers outer;
  Layers inner;  ///< behind a VXLAN, GRE or MPLS header
  const unsigned char* vxlan = nullptr;
  const unsigned char* gre = nullptr;
  const unsigned char* mpls = nullptr;

  const unsigned char* end() const { return bytes.data() + bytes.size(); }
  bool multicast() const { return (bytes[0] & 1) != 0; }
};

/// False: shorter than an Ethernet header.
bool parse(std::span<const unsigned char> bytes, Frame& frame);

}  // namespace vb::ether
