// SPDX-License-Identifier: BSD-2-Clause
// The matching list, its phases, and the headers of tag matching.
#include "transport/tag_matcher.h"

#include <gtest/gtest.h>

#include <vector>

#include "transport/tag_header.h"

namespace vb {
namespace {

ReceiveWqe receive(uint64_t wr_id) {
  ReceiveWqe wqe{};
  wqe.wr_id = wr_id;
  return wqe;
}

/// The receive that a message with this tag finds; 0: none.
uint64_t found(TagMatcher& list, uint64_t tag) {
  ReceiveWqe wqe{};
  return list.match(tag, wqe) ? wqe.wr_id : 0;
}

TEST(TagMatcherTest, TheOldestThatMatchesIsTaken) {
  TagMatcher list(8);
  ASSERT_TRUE(list.add(receive(1), 0x10, ~0ull));
  ASSERT_TRUE(list.add(receive(2), 0x20, 0xf0));
  ASSERT_TRUE(list.add(receive(3), 0x25, ~0ull));
  EXPECT_EQ(found(list, 0x25), 2u);
  EXPECT_EQ(found(list, 0x25), 3u);
  EXPECT_EQ(found(list, 0x25), 0u);
  EXPECT_EQ(found(list, 0x10), 1u);
}

TEST(TagMatcherTest, AFullListRefusesUntilOneGoes) {
  TagMatcher list(2);
  auto first = list.add(receive(1), 1, ~0ull);
  ASSERT_TRUE(list.add(receive(2), 2, ~0ull));
  EXPECT_EQ(list.add(receive(3), 3, ~0ull).error(), ENOMEM);
  EXPECT_TRUE(list.remove(*first));
  EXPECT_TRUE(list.add(receive(4), 4, ~0ull));
  EXPECT_EQ(found(list, 2), 2u);
  EXPECT_EQ(found(list, 4), 4u);
}

TEST(TagMatcherTest, WhatAMessageTookIsNotRemoved) {
  TagMatcher list(2);
  auto handle = list.add(receive(1), 1, ~0ull);
  EXPECT_EQ(found(list, 1), 1u);
  EXPECT_FALSE(list.remove(*handle));
}

TEST(TagMatcherTest, TheLastMayGoAndOthersFollow) {
  TagMatcher list(4);
  ASSERT_TRUE(list.add(receive(1), 1, ~0ull));
  auto last = list.add(receive(2), 2, ~0ull);
  EXPECT_TRUE(list.remove(*last));
  ASSERT_TRUE(list.add(receive(3), 3, ~0ull));
  EXPECT_EQ(found(list, 1), 1u);
  EXPECT_EQ(found(list, 3), 3u);
}

TEST(TagMatcherTest, WhatIsAddedBehindAnUnseenMessageWaitsForTheProgram) {
  TagMatcher list(4);
  ASSERT_TRUE(list.add(receive(1), 1, ~0ull));
  list.unexpected();
  EXPECT_FALSE(list.in_step());
  ASSERT_TRUE(list.add(receive(2), 2, ~0ull));
  EXPECT_EQ(found(list, 2), 0u);
  EXPECT_EQ(found(list, 1), 1u);
  list.synchronize(1);
  EXPECT_TRUE(list.in_step());
  EXPECT_EQ(found(list, 2), 2u);
}

TEST(TagMatcherTest, TheCountIsComparedInSixteenBits) {
  TagMatcher list(1);
  for (int i = 0; i < 3; ++i) list.unexpected();
  list.synchronize(0x10003);
  EXPECT_TRUE(list.in_step());
}

TEST(TagHeaderTest, IsReadInNetworkByteOrder) {
  const std::vector<unsigned char> message{IBV_TMH_RNDV, 0,    0,    0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 1,  0x02,
                                           0x11,         0x22, 0x33, 0, 0, 0, 0, 4, 0, 0, 0, 9, 0, 0, 16, 0};
  TagHeader header = parse_tag_header(message);
  EXPECT_EQ(header.opcode, IBV_TMH_RNDV);
  EXPECT_EQ(header.app_context, 0x01020304u);
  EXPECT_EQ(header.tag, 0x102u);
  EXPECT_TRUE(header.rendezvous);
  EXPECT_EQ(header.remote_address, 0x1122330000000004u);
  EXPECT_EQ(header.rkey, 9u);
  EXPECT_EQ(header.length, 0x1000u);
}

TEST(TagHeaderTest, WhatIsTooShortCarriesNoTag) {
  std::vector<unsigned char> message(16, 0);
  message[0] = IBV_TMH_RNDV;
  EXPECT_EQ(parse_tag_header(message).opcode, IBV_TMH_NO_TAG);
  message[0] = IBV_TMH_EAGER;
  EXPECT_EQ(parse_tag_header(message).opcode, IBV_TMH_EAGER);
  message.pop_back();
  EXPECT_EQ(parse_tag_header(message).opcode, IBV_TMH_NO_TAG);
}

}  // namespace
}  // namespace vb
