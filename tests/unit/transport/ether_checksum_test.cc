// SPDX-License-Identifier: BSD-2-Clause
#include "transport/ether_checksum.h"

#include <gtest/gtest.h>

#include "transport/frame_builder.h"

namespace vb::ether {
namespace {

bool good(const std::vector<unsigned char>& bytes) {
  Frame frame;
  return parse(bytes, frame) && checksums_good(frame);
}

TEST(EtherChecksum, CompletedOnesAreGood) {
  const auto tcp6 = FrameBuilder().ethernet(kIpv6).ipv6(kTcp, 20 + 33).tcp(1, 2, 3, 0).payload(33).bytes();
  for (auto bytes : {udp_frame(4000, 31), udp_frame(4000, 32), tcp6}) {
    complete_checksums(bytes);
    EXPECT_TRUE(good(bytes));
    bytes.back() ^= 1;
    EXPECT_FALSE(good(bytes)) << "the payload counts";
  }
}

/// A header that is printed in many textbooks: 4500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7.
TEST(EtherChecksum, OfAKnownIpv4Header) {
  FrameBuilder builder;
  builder.ethernet(kIpv4).word16(0x4500).word16(0x0073).word16(0).word16(0x4000).word16(0x4011).word16(0);
  builder.word32(0xc0a80001).word32(0xc0a800c7);
  auto bytes = builder.bytes();
  complete_checksums(bytes);
  EXPECT_EQ(get16(&bytes[14 + 10]), 0xb861);
}

TEST(EtherChecksum, AWrongIpv4HeaderIsFound) {
  auto bytes = udp_frame();
  complete_checksums(bytes);
  bytes[14 + 8] ^= 1;
  EXPECT_FALSE(good(bytes));
}

TEST(EtherChecksum, UdpOverIpv4MayGoWithout) {
  auto bytes = udp_frame();
  complete_checksums(bytes);
  put16(&bytes[34 + 6], 0);
  EXPECT_TRUE(good(bytes));
}

TEST(EtherChecksum, APaddedFrameIsSummedToItsEndOnly) {
  auto bytes = udp_frame(4000, 1);
  complete_checksums(bytes);
  bytes.resize(60, 0xaa);
  EXPECT_TRUE(good(bytes));
}

TEST(EtherChecksum, ALengthBeyondTheFrameIsNotBelieved) {
  auto bytes = udp_frame();
  put16(&bytes[16], 5000);
  complete_checksums(bytes);
  EXPECT_FALSE(good(bytes));
}

class SegmentTest : public testing::Test {
 protected:
  static std::vector<unsigned char> segment(uint32_t offset, uint32_t number, bool last) {
    constexpr unsigned char kFinishPush = 0x19;
    auto bytes = FrameBuilder().ethernet(kIpv4).ipv4(kTcp, 1, 2, 20).tcp(1, 2, 1000, kFinishPush).payload(100).bytes();
    EXPECT_TRUE(finish_segment(bytes, {offset, number, last}));
    return bytes;
  }
};

TEST_F(SegmentTest, HasItsOwnLengthNumberAndSequence) {
  const auto bytes = segment(300, 3, false);
  EXPECT_EQ(get16(&bytes[16]), 20 + 20 + 100);
  EXPECT_EQ(get16(&bytes[18]), 7 + 3);
  EXPECT_EQ(get32(&bytes[34 + 4]), 1300u);
  EXPECT_TRUE(good(bytes));
}

TEST_F(SegmentTest, OnlyTheLastOneFinishes) {
  EXPECT_EQ(segment(0, 0, false)[34 + 13], 0x10);
  EXPECT_EQ(segment(100, 1, true)[34 + 13], 0x19);
}

TEST_F(SegmentTest, IsOfTcpOnly) {
  auto bytes = udp_frame();
  EXPECT_FALSE(finish_segment(bytes, {}));
}

}  // namespace
}  // namespace vb::ether
