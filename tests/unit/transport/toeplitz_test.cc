// SPDX-License-Identifier: BSD-2-Clause
#include "transport/toeplitz.h"

#include <gtest/gtest.h>
#include <infiniband/verbs.h>

#include "transport/frame_builder.h"

namespace vb {
namespace {

using ether::FrameBuilder;

/// The key and the values that the RSS specification gives to verify an implementation.
constexpr std::array<unsigned char, kToeplitzKey> kKey = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                                          0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                                                          0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                                                          0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
constexpr uint64_t kAddresses = IBV_RX_HASH_SRC_IPV4 | IBV_RX_HASH_DST_IPV4;
constexpr uint64_t kPorts = IBV_RX_HASH_SRC_PORT_TCP | IBV_RX_HASH_DST_PORT_TCP;

uint32_t address(uint32_t a, uint32_t b, uint32_t c, uint32_t d) { return a << 24 | b << 16 | c << 8 | d; }

uint32_t hash(uint64_t fields, const std::vector<unsigned char>& bytes) {
  ether::Frame frame;
  EXPECT_TRUE(ether::parse(bytes, frame));
  return receive_hash(kKey, fields, frame);
}

std::vector<unsigned char> tcp(uint32_t source, uint16_t source_port, uint32_t target, uint16_t target_port) {
  return FrameBuilder()
      .ethernet(ether::kIpv4)
      .ipv4(ether::kTcp, source, target, 20)
      .tcp(source_port, target_port, 0, 0)
      .bytes();
}

TEST(Toeplitz, GivesTheSpecifiedValues) {
  const auto first = tcp(address(66, 9, 149, 187), 2794, address(161, 142, 100, 80), 1766);
  EXPECT_EQ(hash(kAddresses, first), 0x323e8fc2u);
  EXPECT_EQ(hash(kAddresses | kPorts, first), 0x51ccc178u);
  const auto second = tcp(address(199, 92, 111, 2), 14230, address(65, 69, 140, 83), 4739);
  EXPECT_EQ(hash(kAddresses, second), 0xd718262au);
  EXPECT_EQ(hash(kAddresses | kPorts, second), 0xc626b0eau);
}

TEST(Toeplitz, TakesOnlyTheFieldsThatTheFrameHas) {
  const auto udp = ether::udp_frame();
  EXPECT_EQ(hash(kAddresses | kPorts, udp), hash(kAddresses, udp)) << "its ports are not TCP's";
  EXPECT_EQ(hash(kAddresses, FrameBuilder().ethernet(0x88b5).payload(40).bytes()), 0u);
}

}  // namespace
}  // namespace vb
