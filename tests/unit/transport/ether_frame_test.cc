// SPDX-License-Identifier: BSD-2-Clause
#include "transport/ether_frame.h"

#include <gtest/gtest.h>

#include "transport/frame_builder.h"

namespace vb::ether {
namespace {

TEST(EtherFrame, FindsTheHeadersOfAUdpFrame) {
  const auto bytes = udp_frame();
  Frame frame;
  ASSERT_TRUE(parse(bytes, frame));
  EXPECT_EQ(frame.outer.ether_type, kIpv4);
  EXPECT_EQ(frame.outer.ip, bytes.data() + 14);
  EXPECT_EQ(frame.outer.l4, bytes.data() + 34);
  EXPECT_EQ(frame.outer.protocol, kUdp);
  EXPECT_FALSE(frame.outer.vlan);
  EXPECT_EQ(frame.inner.ip, nullptr);
}

TEST(EtherFrame, SeesThroughAVlanTag) {
  const auto bytes = FrameBuilder().ethernet(kVlan).vlan(0x2005, kIpv6).ipv6(kTcp, 20).tcp(1, 2, 3, 0).bytes();
  Frame frame;
  ASSERT_TRUE(parse(bytes, frame));
  EXPECT_TRUE(frame.outer.vlan);
  EXPECT_EQ(frame.outer.vlan_tci, 0x2005);
  EXPECT_EQ(frame.outer.ether_type, kIpv6);
  EXPECT_EQ(frame.outer.ip_version, 6);
  EXPECT_EQ(frame.outer.l4, bytes.data() + 18 + 40);
}

TEST(EtherFrame, SeesIntoVxlan) {
  auto inner = udp_frame(5000, 4);
  FrameBuilder builder;
  builder.ethernet(kIpv4).ipv4(kUdp, 1, 2, 16 + inner.size()).udp(1, 4789, 8 + inner.size());
  builder.word32(0x08000000).word32(0x00123400);
  auto bytes = builder.bytes();
  bytes.insert(bytes.end(), inner.begin(), inner.end());
  Frame frame;
  ASSERT_TRUE(parse(bytes, frame));
  ASSERT_NE(frame.vxlan, nullptr);
  EXPECT_EQ(get32(frame.vxlan + 4), 0x00123400u);
  ASSERT_NE(frame.inner.l4, nullptr);
  EXPECT_EQ(get16(frame.inner.l4 + 2), 5000);
}

TEST(EtherFrame, LaterFragmentsHaveNoPorts) {
  auto bytes = udp_frame();
  put16(&bytes[14 + 6], 100);
  Frame frame;
  ASSERT_TRUE(parse(bytes, frame));
  EXPECT_NE(frame.outer.ip, nullptr);
  EXPECT_EQ(frame.outer.l4, nullptr);
}

/// Every frame that ends too early: under the sanitizers a read beyond its end is found.
TEST(EtherFrame, CutFramesAreReadNoFurtherThanTheyGo) {
  const auto udp = udp_frame();
  auto gre =
      FrameBuilder().ethernet(kIpv4).ipv4(kGre, 1, 2, 40).word16(0xb000).word16(kIpv4).word32(0).word32(0).bytes();
  const auto inner = udp_frame();
  gre.insert(gre.end(), inner.begin(), inner.end());
  for (const auto& whole : {udp, gre}) {
    for (size_t size = 0; size <= whole.size(); ++size) {
      const std::vector<unsigned char> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
      Frame frame;
      EXPECT_EQ(parse(cut, frame), size >= kHeader) << size;
    }
  }
}

}  // namespace
}  // namespace vb::ether
