// SPDX-License-Identifier: BSD-2-Clause
// Ethernet frames for the tests of steering.
#pragma once

#include <cstdint>
#include <vector>

#include "transport/ether_checksum.h"
#include "transport/ether_frame.h"

namespace vb::ether {

class FrameBuilder {
 public:
  FrameBuilder& ethernet(uint16_t type, unsigned char last_of_target = 1) {
    const unsigned char header[12] = {2, 0, 0, 0, 0, last_of_target, 2, 0, 0, 0, 0, 9};
    append(header, sizeof header);
    return word16(type);
  }
  FrameBuilder& vlan(uint16_t tci, uint16_t type) { return word16(tci).word16(type); }
  FrameBuilder& ipv4(uint8_t protocol, uint32_t source, uint32_t target, size_t payload) {
    word16(0x4500).word16(static_cast<uint16_t>(20 + payload)).word16(7).word16(0);
    word16(static_cast<uint16_t>(64 << 8 | protocol)).word16(0);
    return word32(source).word32(target);
  }
  FrameBuilder& ipv6(uint8_t protocol, size_t payload) {
    word32(0x60000000).word16(static_cast<uint16_t>(payload)).word16(static_cast<uint16_t>(protocol << 8 | 64));
    for (uint32_t i = 0; i < 8; ++i) word32(0x20010db8 + i);
    return *this;
  }
  FrameBuilder& udp(uint16_t source, uint16_t target, size_t payload) {
    return word16(source).word16(target).word16(static_cast<uint16_t>(8 + payload)).word16(0);
  }
  FrameBuilder& tcp(uint16_t source, uint16_t target, uint32_t sequence, unsigned char flags) {
    word16(source).word16(target).word32(sequence).word32(0);
    return word16(static_cast<uint16_t>(0x5000 | flags)).word16(1000).word16(0).word16(0);
  }
  FrameBuilder& word16(uint16_t value) {
    bytes_.push_back(static_cast<unsigned char>(value >> 8));
    bytes_.push_back(static_cast<unsigned char>(value));
    return *this;
  }
  FrameBuilder& word32(uint32_t value) {
    return word16(static_cast<uint16_t>(value >> 16)).word16(static_cast<uint16_t>(value));
  }
  FrameBuilder& payload(size_t size) {
    for (size_t i = 0; i < size; ++i) bytes_.push_back(static_cast<unsigned char>(i * 7 + 3));
    return *this;
  }
  std::vector<unsigned char> bytes() const { return bytes_; }

 private:
  void append(const unsigned char* at, size_t size) { bytes_.insert(bytes_.end(), at, at + size); }
  std::vector<unsigned char> bytes_;
};

inline std::vector<unsigned char> udp_frame(uint16_t target_port = 4000, size_t payload = 32) {
  return FrameBuilder()
      .ethernet(kIpv4)
      .ipv4(kUdp, 0x0a000001, 0x0a000002, 8 + payload)
      .udp(3000, target_port, payload)
      .payload(payload)
      .bytes();
}

}  // namespace vb::ether
