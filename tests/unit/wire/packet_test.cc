// SPDX-License-Identifier: BSD-2-Clause
// Packets are taken apart without trust: what is cut short, contradicts itself or is unknown is refused.
#include "wire/packet.h"

#include <gtest/gtest.h>

#include <vector>

#include "wire/control.h"

namespace vb::wire {
namespace {

using Bytes = std::vector<unsigned char>;

template <class T>
void append(Bytes& bytes, const T& value) {
  auto* from = reinterpret_cast<const unsigned char*>(&value);
  bytes.insert(bytes.end(), from, from + sizeof value);
}

Bytes packet(Kind kind, uint8_t flags, const Bytes& body) {
  PacketHeader header{kind, flags, static_cast<uint16_t>(sizeof header + body.size()), 1, 2, 3, 4, 5};
  Bytes bytes;
  append(bytes, header);
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

Bytes indirect(uint32_t length, const std::vector<Piece>& pieces) {
  Bytes body;
  append(body, IndirectHeader{length, static_cast<uint32_t>(pieces.size())});
  for (const Piece& piece : pieces) append(body, piece);
  return body;
}

bool accepted(const Bytes& bytes) {
  std::span<const unsigned char> frame(bytes);
  Packet out;
  return next_packet(frame, out);
}

TEST(PacketTest, ASendCarriesItsPayload) {
  Bytes bytes = packet(Kind::kSend, kImmediate, {7, 8, 9});
  std::span<const unsigned char> frame(bytes);
  Packet out;
  ASSERT_TRUE(next_packet(frame, out));
  EXPECT_EQ(out.length, 3u);
  EXPECT_EQ(out.payload[2], 9);
  EXPECT_TRUE(out.has(kImmediate));
  EXPECT_TRUE(frame.empty());
}

TEST(PacketTest, PacketsStandAtMultiplesOfEight) {
  Bytes bytes = packet(Kind::kSend, 0, {1});
  bytes.resize(padded(bytes.size()));
  Bytes second = packet(Kind::kAck, kAckValid, {});
  bytes.insert(bytes.end(), second.begin(), second.end());
  std::span<const unsigned char> frame(bytes);
  Packet out;
  ASSERT_TRUE(next_packet(frame, out));
  ASSERT_TRUE(next_packet(frame, out));
  EXPECT_EQ(out.header.kind, Kind::kAck);
  EXPECT_TRUE(frame.empty());
}

TEST(PacketTest, EveryTruncationIsRefused) {
  Bytes body;
  append(body, RdmaHeader{0x1000, 1, 4});
  for (unsigned char byte : {1, 2, 3, 4}) body.push_back(byte);
  Bytes whole = packet(Kind::kWrite, 0, body);
  ASSERT_TRUE(accepted(whole));
  for (size_t size = 1; size < whole.size(); ++size) {
    EXPECT_FALSE(accepted(Bytes(whole.begin(), whole.begin() + static_cast<long>(size)))) << size;
  }
}

TEST(PacketTest, AWriteWhoseLengthsDisagreeIsRefused) {
  Bytes body;
  append(body, RdmaHeader{0x1000, 1, 5});
  for (unsigned char byte : {1, 2, 3, 4}) body.push_back(byte);
  EXPECT_FALSE(accepted(packet(Kind::kWrite, 0, body)));
}

TEST(PacketTest, PiecesMustAddUpToTheMessage) {
  EXPECT_TRUE(accepted(packet(Kind::kSend, kIndirect, indirect(30, {{0, 1, 10}, {0, 1, 20}}))));
  EXPECT_FALSE(accepted(packet(Kind::kSend, kIndirect, indirect(31, {{0, 1, 10}, {0, 1, 20}}))));
  EXPECT_FALSE(accepted(packet(Kind::kSend, kIndirect, indirect(0, {}))));
  EXPECT_FALSE(
      accepted(packet(Kind::kSend, kIndirect, indirect(0, {{0, 1, uint64_t{1} << 63}, {0, 1, uint64_t{1} << 63}}))));
}

TEST(PacketTest, MorePiecesThanAllowedAreRefused) {
  std::vector<Piece> pieces(kMaxPieces + 1, Piece{0, 1, 1});
  EXPECT_FALSE(accepted(packet(Kind::kSend, kIndirect, indirect(kMaxPieces + 1, pieces))));
}

TEST(PacketTest, UnknownKindsAndLooseEndsAreRefused) {
  EXPECT_FALSE(accepted(packet(static_cast<Kind>(0), 0, {})));
  EXPECT_FALSE(accepted(packet(static_cast<Kind>(200), 0, {})));
  EXPECT_FALSE(accepted(packet(Kind::kAck, 0, {1})));
  EXPECT_FALSE(accepted(packet(Kind::kFetchAdd, 0, Bytes(sizeof(AtomicHeader) + 1))));
}

TEST(ControlTest, AMessageIsWaitedForAndTaken) {
  Bytes bytes;
  append(bytes, ControlHeader{kControlMagic, Control::kHello, sizeof(Hello)});
  ControlHeader header;
  EXPECT_EQ(parse_control(bytes, header), Parse::kMore);
  bytes.resize(bytes.size() + sizeof(Hello));
  EXPECT_EQ(parse_control(bytes, header), Parse::kMessage);
}

TEST(ControlTest, AWrongMagicTypeOrSizeIsMalformed) {
  auto parse = [](ControlHeader header) {
    Bytes bytes;
    append(bytes, header);
    return parse_control(bytes, header);
  };
  EXPECT_EQ(parse({0x12345678, Control::kBye, 0}), Parse::kMalformed);
  EXPECT_EQ(parse({kControlMagic, static_cast<Control>(99), 0}), Parse::kMalformed);
  EXPECT_EQ(parse({kControlMagic, Control::kHello, 65535}), Parse::kMalformed);
  EXPECT_EQ(parse({kControlMagic, Control::kBye, 0}), Parse::kMessage);
}

}  // namespace
}  // namespace vb::wire
