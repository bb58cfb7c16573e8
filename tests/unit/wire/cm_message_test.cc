// SPDX-License-Identifier: BSD-2-Clause
#include "wire/cm_message.h"

#include <gtest/gtest.h>

#include <vector>

namespace vb::wire {
namespace {

CmMessage request() {
  CmMessage message = make_cm_message(Cm::kRequest, 5, 0);
  message.request.source_port = 40000;
  message.request.qpn = 0x123456;
  return message;
}

bool accepted(const CmMessage& message) {
  CmMessage parsed;
  return parse_cm_message(message.bytes(), parsed);
}

TEST(CmMessageTest, WhatIsMadeIsUnderstood) {
  CmMessage parsed;
  ASSERT_TRUE(parse_cm_message(request().bytes(), parsed));
  EXPECT_EQ(parsed.header.sender, 5u);
  EXPECT_EQ(parsed.request.qpn, 0x123456u);
}

TEST(CmMessageTest, EveryTypeHasItsSize) {
  for (int type = 1; type <= static_cast<int>(Cm::kAlive); ++type) {
    bool begins = static_cast<Cm>(type) == Cm::kRequest || static_cast<Cm>(type) == Cm::kInquire;
    CmMessage message = make_cm_message(static_cast<Cm>(type), 1, begins ? 0 : 2);
    if (static_cast<Cm>(type) == Cm::kRequest) message.request.source_port = 1;
    if (static_cast<Cm>(type) == Cm::kInquire) message.inquire.source_port = 1;
    if (static_cast<Cm>(type) == Cm::kReject) message.reject.reason = 8;
    EXPECT_TRUE(accepted(message)) << type;
    message.header.size = static_cast<uint16_t>(message.header.size + 1);
    EXPECT_FALSE(accepted(message)) << type;
  }
}

TEST(CmMessageTest, AnyTruncationIsMalformed) {
  CmMessage message = request();
  for (size_t size = 0; size < message.bytes().size(); ++size) {
    CmMessage parsed;
    EXPECT_FALSE(parse_cm_message(message.bytes().first(size), parsed)) << size;
  }
}

TEST(CmMessageTest, FieldsOutOfRangeAreMalformed) {
  auto spoiled = [](auto spoil) {
    CmMessage message = request();
    spoil(message);
    return !accepted(message);
  };
  EXPECT_TRUE(spoiled([](CmMessage& m) { m.header.magic ^= 1; }));
  EXPECT_TRUE(spoiled([](CmMessage& m) { m.header.version = 2; }));
  EXPECT_TRUE(spoiled([](CmMessage& m) { m.header.type = static_cast<Cm>(0); }));
  EXPECT_TRUE(spoiled([](CmMessage& m) { m.header.type = static_cast<Cm>(200); }));
  EXPECT_TRUE(spoiled([](CmMessage& m) { m.header.sender = 0; }));
  EXPECT_TRUE(spoiled([](CmMessage& m) { m.header.receiver = 7; }));
  EXPECT_TRUE(spoiled([](CmMessage& m) { m.request.qpn = 1 << 24; }));
  EXPECT_TRUE(spoiled([](CmMessage& m) { m.request.psn = 1 << 24; }));
  EXPECT_TRUE(spoiled([](CmMessage& m) { m.request.retry_count = 8; }));
  EXPECT_TRUE(spoiled([](CmMessage& m) { m.request.rnr_retry_count = 8; }));
  EXPECT_TRUE(spoiled([](CmMessage& m) { m.request.ack_timeout = 32; }));
  EXPECT_TRUE(spoiled([](CmMessage& m) { m.request.source_port = 0; }));
  EXPECT_TRUE(spoiled([](CmMessage& m) { m.request.data.size = 93; }));
}

TEST(CmMessageTest, AnAnswerNamesItsReceiver) {
  EXPECT_FALSE(accepted(make_cm_message(Cm::kReply, 1, 0)));
  EXPECT_FALSE(accepted(make_cm_message(Cm::kDisconnect, 1, 0)));
  EXPECT_TRUE(accepted(make_cm_message(Cm::kDisconnect, 1, 2)));
}

TEST(CmMessageTest, PrivateDataIsPaddedWithZeros) {
  CmPrivate<8> data;
  memset(&data, 0xff, sizeof data);
  const unsigned char bytes[] = {1, 2, 3};
  ASSERT_TRUE(put_private(data, bytes));
  EXPECT_EQ(data.size, 3);
  EXPECT_EQ(data.bytes[2], 3);
  EXPECT_EQ(data.bytes[3], 0);
  const std::vector<unsigned char> long_one(9);
  EXPECT_FALSE(put_private(data, long_one));
}

TEST(CmMessageTest, AQuotedHeaderIsEnough) {
  CmHeader header;
  EXPECT_TRUE(parse_cm_header(request().bytes().first(sizeof header), header));
  EXPECT_EQ(header.sender, 5u);
  EXPECT_FALSE(parse_cm_header(request().bytes().first(sizeof header - 1), header));
}

}  // namespace
}  // namespace vb::wire
