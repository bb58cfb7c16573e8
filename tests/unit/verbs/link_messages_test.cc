// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/link_messages.h"

#include <gtest/gtest.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cstring>

namespace vb {
namespace {

using Bytes = std::vector<unsigned char>;

template <class Payload>
void append(Bytes& bytes, uint16_t type, const Payload& payload) {
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_len = NLMSG_LENGTH(sizeof payload);
  const size_t at = bytes.size();
  bytes.resize(at + NLMSG_SPACE(sizeof payload));
  std::memcpy(&bytes[at], &header, sizeof header);
  std::memcpy(&bytes[at + NLMSG_HDRLEN], &payload, sizeof payload);
}

ifinfomsg link(int index, unsigned flags) {
  ifinfomsg message{};
  message.ifi_family = AF_UNSPEC;
  message.ifi_index = index;
  message.ifi_flags = flags;
  return message;
}

std::vector<LinkMessage> parse(const Bytes& bytes) {
  std::vector<LinkMessage> out;
  parse_link_messages(bytes, out);
  return out;
}

TEST(LinkMessages, TellOfLinksInOrder) {
  Bytes bytes;
  append(bytes, RTM_NEWLINK, link(3, IFF_UP));
  append(bytes, RTM_NEWLINK, link(3, IFF_UP | IFF_RUNNING));
  append(bytes, RTM_DELLINK, link(4, IFF_UP | IFF_RUNNING));
  const auto messages = parse(bytes);
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_TRUE(messages[0].is_link);
  EXPECT_FALSE(messages[0].running);
  EXPECT_TRUE(messages[1].running);
  EXPECT_EQ(messages[2].netdev, 4u);
  EXPECT_FALSE(messages[2].running);
}

TEST(LinkMessages, TellOfAddresses) {
  ifaddrmsg address{};
  address.ifa_index = 7;
  Bytes bytes;
  append(bytes, RTM_NEWADDR, address);
  append(bytes, RTM_DELADDR, address);
  const auto messages = parse(bytes);
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].netdev, 7u);
  EXPECT_FALSE(messages[0].is_link);
}

TEST(LinkMessages, SayNothingOfBridgesAndOtherMatters) {
  ifinfomsg port = link(3, 0);
  port.ifi_family = AF_BRIDGE;
  Bytes bytes;
  append(bytes, RTM_NEWLINK, port);
  append(bytes, RTM_NEWROUTE, rtmsg{});
  EXPECT_TRUE(parse(bytes).empty());
}

TEST(LinkMessages, TornOnesAreLeftOut) {
  Bytes bytes;
  append(bytes, RTM_NEWLINK, link(3, IFF_UP));
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_TRUE(parse(Bytes(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size))).empty()) << size;
  }
  reinterpret_cast<nlmsghdr*>(bytes.data())->nlmsg_len = 4;
  EXPECT_TRUE(parse(bytes).empty());
}

TEST(LinkMessages, ASocketOpens) {
  auto socket = open_link_messages();
  ASSERT_TRUE(socket);
  read_link_messages(socket->get());  // returns although nobody may have said anything
}

}  // namespace
}  // namespace vb
