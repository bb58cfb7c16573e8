// SPDX-License-Identifier: BSD-2-Clause
#include "transport/flow_table.h"

#include <gtest/gtest.h>

#include "transport/frame_builder.h"

namespace vb {
namespace {

class Target final : public FrameTarget {
 public:
  void deliver(const ether::Frame&, const FrameInfo& info) override {
    ++frames;
    tag = info.tag;
  }
  int frames = 0;
  uint32_t tag = 0;
};

FlowMatch to_port(uint16_t port) {
  unsigned char bytes[2];
  ether::put16(bytes, port);
  const unsigned char care[2] = {0xff, 0xff};
  FlowMatch match;
  match.header = FlowMatch::Header::kUdp;
  match.require(2, bytes, care, 2);
  return match;
}

class FlowTableTest : public testing::Test {
 protected:
  Target a, b;
  FlowTable table;

  static FlowRule rule(Target& target, std::vector<FlowMatch> matches, uint16_t priority = 0) {
    FlowRule made;
    made.matches = std::move(matches);
    made.priority = priority;
    made.target = &target;
    return made;
  }
  static FlowRule default_rule(Target& target, ibv_flow_attr_type type) {
    FlowRule made = rule(target, {});
    made.type = type;
    return made;
  }

  void receive(const std::vector<unsigned char>& bytes, bool loops = true) {
    ether::Frame frame;
    ASSERT_TRUE(ether::parse(bytes, frame));
    FrameInfo info;
    info.loops = loops;
    table.steer(frame, info);
  }
};

TEST_F(FlowTableTest, ARuleTakesWhatItMatches) {
  FlowRule one = rule(a, {to_port(4000)});
  table.add(one);
  receive(ether::udp_frame(4000));
  receive(ether::udp_frame(4001));
  EXPECT_EQ(a.frames, 1);
  table.remove(one);
  EXPECT_TRUE(table.empty());
}

TEST_F(FlowTableTest, TheMaskSaysWhichBitsCount) {
  FlowMatch match;
  match.header = FlowMatch::Header::kIpv4;
  const unsigned char network[4] = {10, 0, 0, 0xff}, mask[4] = {0xff, 0xff, 0xff, 0};
  match.require(12, network, mask, 4);
  FlowRule one = rule(a, {match});
  table.add(one);
  receive(ether::udp_frame());
  EXPECT_EQ(a.frames, 1);
}

TEST_F(FlowTableTest, AHeaderThatIsNotThereDoesNotMatch) {
  FlowMatch any_tcp;
  any_tcp.header = FlowMatch::Header::kTcp;
  FlowRule one = rule(a, {any_tcp});
  table.add(one);
  receive(ether::udp_frame());
  EXPECT_EQ(a.frames, 0);
}

TEST_F(FlowTableTest, TheLowerNumberGoesFirst) {
  FlowRule low = rule(a, {to_port(4000)}, 2), high = rule(b, {}, 1);
  table.add(low);
  table.add(high);
  receive(ether::udp_frame(4000));
  EXPECT_EQ(a.frames, 0);
  EXPECT_EQ(b.frames, 1);
}

TEST_F(FlowTableTest, RulesThatAreAlikeShareTheFrame) {
  FlowRule one = rule(a, {to_port(4000)}), other = rule(b, {to_port(4000)});
  table.add(one);
  table.add(other);
  receive(ether::udp_frame(4000));
  EXPECT_EQ(a.frames, 1);
  EXPECT_EQ(b.frames, 1);
}

TEST_F(FlowTableTest, ARuleMayLetTheFramePass) {
  FlowRule tap = rule(a, {to_port(4000)}, 0), taker = rule(b, {to_port(4000)}, 1);
  tap.passes_on = true;
  table.add(tap);
  table.add(taker);
  receive(ether::udp_frame(4000));
  EXPECT_EQ(a.frames, 1);
  EXPECT_EQ(b.frames, 1);
}

TEST_F(FlowTableTest, DefaultsTakeWhatNoRuleHasTaken) {
  FlowRule one = rule(a, {to_port(4000)}), all = default_rule(b, IBV_FLOW_ATTR_ALL_DEFAULT);
  table.add(all);
  table.add(one);
  receive(ether::udp_frame(4000));
  EXPECT_EQ(b.frames, 0);
  receive(ether::udp_frame(4001));
  EXPECT_EQ(b.frames, 1);
}

TEST_F(FlowTableTest, TheGroupDefaultTakesGroupsOnly) {
  FlowRule groups = default_rule(a, IBV_FLOW_ATTR_MC_DEFAULT);
  table.add(groups);
  auto bytes = ether::udp_frame();
  receive(bytes);
  EXPECT_EQ(a.frames, 0);
  bytes[0] |= 1;
  receive(bytes);
  EXPECT_EQ(a.frames, 1);
}

TEST_F(FlowTableTest, ASnifferSeesAllEvenWhatLeaves) {
  FlowRule sniffer = default_rule(a, IBV_FLOW_ATTR_SNIFFER), one = rule(b, {to_port(4000)});
  table.add(sniffer);
  table.add(one);
  receive(ether::udp_frame(4000));
  receive(ether::udp_frame(4000), false);
  EXPECT_EQ(a.frames, 2);
  EXPECT_EQ(b.frames, 1);
}

TEST_F(FlowTableTest, TagsDropsAndCounts) {
  FlowCounts counts;
  FlowRule tagged = rule(a, {to_port(4000)}), dropped = rule(a, {to_port(4001)});
  tagged.tag = 77;
  tagged.counts = {&counts};
  dropped.drop = true;
  dropped.counts = {&counts};
  table.add(tagged);
  table.add(dropped);
  const auto bytes = ether::udp_frame(4000);
  receive(bytes);
  receive(ether::udp_frame(4001));
  EXPECT_EQ(a.frames, 1);
  EXPECT_EQ(a.tag, 77u);
  EXPECT_EQ(counts.packets.load(), 2u);
  EXPECT_EQ(counts.bytes.load(), 2 * bytes.size());
}

}  // namespace
}  // namespace vb
