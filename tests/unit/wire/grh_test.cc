// SPDX-License-Identifier: BSD-2-Clause
// The header in front of a datagram is the one that RoCE v2 has on the wire.
#include "wire/grh.h"

#include <gtest/gtest.h>

namespace vb::wire {
namespace {

constexpr unsigned char kA[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1};
constexpr unsigned char kB[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 2};
constexpr unsigned char kC[16] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0x5e, 0xfe, 10, 0, 0, 1};

DatagramHeader header(const unsigned char (&from)[16], const unsigned char (&to)[16], uint32_t length) {
  DatagramHeader out{};
  out.length = length;
  out.class_and_flow = 0x12u << 20 | 0x34567;
  out.hop_limit = 9;
  memcpy(out.sgid, from, 16);
  memcpy(out.dgid, to, 16);
  return out;
}

TEST(GrhTest, BetweenMappedAddressesItIsIpv4) {
  Grh grh = make_grh(header(kA, kB, 5), true);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(grh[i], 0);
  EXPECT_EQ(grh[20], 0x45);
  EXPECT_EQ(grh[21], 0x12);
  EXPECT_EQ(grh[22] << 8 | grh[23], 20 + 8 + 12 + 8 + 4 + 8 + 4);
  EXPECT_EQ(grh[28], 9);
  EXPECT_EQ(grh[29], 17);
  EXPECT_EQ(memcmp(&grh[32], kA + 12, 4), 0);
  EXPECT_EQ(memcmp(&grh[36], kB + 12, 4), 0);
}

TEST(GrhTest, TheIpv4ChecksumHolds) {
  Grh grh = make_grh(header(kA, kB, 4096), false);
  uint32_t sum = 0;
  for (size_t i = 20; i < grh.size(); i += 2) sum += static_cast<uint32_t>(grh[i] << 8 | grh[i + 1]);
  EXPECT_EQ((sum & 0xffff) + (sum >> 16), 0xffffu);
}

TEST(GrhTest, OtherwiseItIsIpv6) {
  Grh grh = make_grh(header(kC, kC, 8), false);
  EXPECT_EQ(grh[0], 0x61);
  EXPECT_EQ(grh[1], 0x23);
  EXPECT_EQ(grh[2] << 8 | grh[3], 0x4567);
  EXPECT_EQ(grh[4] << 8 | grh[5], 8 + 12 + 8 + 8 + 4);
  EXPECT_EQ(grh[6], 17);
  EXPECT_EQ(grh[7], 9);
  EXPECT_EQ(memcmp(&grh[8], kC, 16), 0);
  EXPECT_EQ(memcmp(&grh[24], kC, 16), 0);
}

TEST(GrhTest, TheNetworkTypeNamesTheHeader) {
  EXPECT_EQ(network_type(header(kA, kB, 8)), 10);
  EXPECT_EQ(network_type(header(kA, kC, 8)), 10);
  EXPECT_EQ(network_type(header(kC, kC, 8)), 9);
}

}  // namespace
}  // namespace vb::wire
