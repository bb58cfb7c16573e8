// SPDX-License-Identifier: BSD-2-Clause
// What the responder promises when there is no room, when transfers fail or never end, and when a peer is hostile.
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <span>

#include "transport/two_ends.h"

namespace vb {
namespace {

constexpr unsigned kAll = kLocalWrite | kRemoteWrite | kRemoteRead | kRemoteAtomic;

class ResponderTest : public TwoEnds {
 public:
  using TwoEnds::TwoEnds;
  Wr write(uint64_t id, const Memory& from, const Memory& to) {
    return {.wr_id = id, .opcode = IBV_WR_RDMA_WRITE, .sges = {from.sge()}, .remote = to.address(), .rkey = to.rkey};
  }
};

TEST_F(ResponderTest, AnAtomicWaitsForRoomAndIsExecutedOnce) {
  Memory result(a.lane, 8, kAll), target(b.lane, 8, kAll);
  b.exhaust();
  a.post({.wr_id = 1,
          .opcode = IBV_WR_ATOMIC_FETCH_AND_ADD,
          .sges = {result.sge()},
          .remote = target.address(),
          .rkey = target.rkey,
          .compare_add = 5});
  settle();
  uint64_t value;
  memcpy(&value, target.bytes.data(), 8);
  EXPECT_EQ(value, 0u);
  b.replenish();
  settle();
  memcpy(&value, target.bytes.data(), 8);
  EXPECT_EQ(value, 5u);
  EXPECT_EQ(a.sent(), (std::vector<Completion>{{1, IBV_WC_SUCCESS}}));
}

TEST_F(ResponderTest, AcknowledgementsAndReadsWaitForRoom) {
  Memory here(a.lane, 8, kAll), there(b.lane, 8, kAll, 3);
  b.exhaust();
  a.post(write(1, here, there));
  a.post({.wr_id = 2, .opcode = IBV_WR_RDMA_READ, .sges = {here.sge()}, .remote = there.address(), .rkey = there.rkey});
  settle();
  EXPECT_TRUE(a.sent().empty());
  b.replenish();
  settle();
  EXPECT_EQ(a.sent(), (std::vector<Completion>{{1, IBV_WC_SUCCESS}, {2, IBV_WC_SUCCESS}}));
}

TEST_F(ResponderTest, AnErrorIsToldOnceThereIsRoom) {
  Memory from(a.lane, 8, 0), to(b.lane, 8, kAll);
  b.exhaust();
  Wr bad = write(1, from, to);
  bad.rkey ^= 1;
  a.post(bad);
  settle();
  EXPECT_EQ(b.qp.state(), IBV_QPS_ERR);
  EXPECT_TRUE(a.sent().empty());
  b.replenish();
  settle();
  EXPECT_EQ(a.sent(), (std::vector<Completion>{{1, IBV_WC_REM_ACCESS_ERR}}));
}

TEST_F(ResponderTest, WhoIsGoneStillSaysThatNothingIsTouched) {
  Memory from(a.lane, 4000, 0), to(b.lane, 4000, kAll);
  b.endpoint->hold_frames = true;
  a.post(write(1, from, to));
  {
    auto guard = a.lane.hold();
    a.qp.fail(IBV_WC_WR_FLUSH_ERR);
  }
  a.turn();
  {
    auto guard = b.lane.hold();
    b.lane.remove(b.qp);
  }
  b.exhaust();
  b.endpoint->hold_frames = false;
  settle();
  EXPECT_TRUE(a.sent().empty());
  b.replenish();
  settle();
  EXPECT_EQ(a.sent(), (std::vector<Completion>{{1, IBV_WC_WR_FLUSH_ERR}}));
  auto guard = b.lane.hold();
  b.lane.add(b.qp);
}

TEST_F(ResponderTest, WhoIsNotConnectedSaysSoOnceThereIsRoom) {
  Memory from(a.lane, 8, 0), to(b.lane, 8, kAll);
  b.qp.set_state(IBV_QPS_INIT);
  b.exhaust();
  a.post(write(1, from, to));
  settle();
  b.qp.set_state(IBV_QPS_RTS);
  b.replenish();
  std::vector<Completion> done;
  until([&] {  // it was told, so it has tried again
    for (Completion each : a.sent()) done.push_back(each);
    return !done.empty();
  });
  EXPECT_EQ(done, (std::vector<Completion>{{1, IBV_WC_SUCCESS}}));
}

TEST_F(ResponderTest, APeerThatTakesNoAnswersLosesItsChannel) {
  b.exhaust();
  wire::Packet packet;
  packet.header.src_qpn = a.qp.qpn;
  {
    auto guard = b.lane.hold();
    for (int i = 0; i < 100'000 && b.channel->alive(); ++i) {
      refuse_not_connected(*b.channel, packet);
      if (i % 1000 == 0) b.lane.pass();
    }
  }
  EXPECT_FALSE(b.channel->alive());
}

TEST_F(ResponderTest, ATransferThatFailsIsARemoteOperationError) {
  Memory from(a.lane, 4000, 0), to(b.lane, 4000, kAll);
  b.endpoint->fail_transfers = EIO;
  a.post(write(1, from, to));
  settle();
  EXPECT_EQ(a.sent(), (std::vector<Completion>{{1, IBV_WC_REM_OP_ERR}}));
  EXPECT_EQ(b.qp.state(), IBV_QPS_ERR);
}

TEST_F(ResponderTest, ATransferThatIsRefusedAfterAWaitIsARemoteOperationError) {
  Memory from(a.lane, 4000, 0), to(b.lane, 4000, kAll);
  b.endpoint->refuse_transfers = 2;  // once when it comes, once because it has come
  b.endpoint->fail_issues = EIO;
  a.post(write(1, from, to));
  settle();
  EXPECT_EQ(a.sent(), (std::vector<Completion>{{1, IBV_WC_REM_OP_ERR}}));
  EXPECT_EQ(b.qp.state(), IBV_QPS_ERR);
}

/// A fabric whose order allows several payloads under way.
class OrderedResponderTest : public ResponderTest {
 public:
  OrderedResponderTest() : ResponderTest(ordered()) {}

 private:
  static EndOptions ordered() {
    EndOptions options;
    options.traits.reads_in_order = true;
    return options;
  }
};

TEST_F(OrderedResponderTest, TheEndsOfManyPayloadsAreToldTogether) {
  constexpr uint64_t kMany = 24;
  Memory from(a.lane, 4000, 0), to(b.lane, 4000, kAll);
  b.endpoint->transfers_per_poll = 1;
  for (uint64_t id = 1; id <= kMany; ++id) a.post(write(id, from, to));
  settle();
  EXPECT_EQ(a.sent().size(), kMany);
  EXPECT_LE(b.endpoint->frames, kMany / 2);
}

TEST_F(OrderedResponderTest, WhoStopsTellsWhatWasDone) {
  constexpr uint64_t kMany = 24, kAtOnce = 16, kDone = 3;
  Memory from(a.lane, 4000, 0), to(b.lane, 4000, kAll);
  b.endpoint->hold_transfers = true;
  for (uint64_t id = 1; id <= kMany; ++id) a.post(write(id, from, to));
  settle();
  const size_t pieces = b.endpoint->in_flight() / kAtOnce;  // of each payload
  b.endpoint->hold_transfers = false;
  b.endpoint->transfers_per_poll = pieces;
  for (uint64_t i = 0; i < kDone; ++i) b.turn();
  a.turn();
  EXPECT_TRUE(a.sent().empty());
  {
    auto guard = b.lane.hold();
    b.qp.fail(IBV_WC_WR_FLUSH_ERR);
  }
  settle();
  EXPECT_EQ(a.sent(), (std::vector<Completion>{{1, IBV_WC_SUCCESS}, {2, IBV_WC_SUCCESS}, {3, IBV_WC_SUCCESS}}));
}

TEST_F(ResponderTest, ATransferThatNeverEndsIsLeftBehind) {
  Memory from(a.lane, 4000, 0), to(b.lane, 4000, kAll);
  b.endpoint->hold_transfers = true;
  a.post(write(1, from, to));
  settle();
  ASSERT_GT(to.region->remote_users, 0u);
  {
    auto guard = b.lane.hold();
    b.lane.cut_off(to.region);  // first the channel ends
    b.lane.pass();
    EXPECT_FALSE(b.channel->alive());
    EXPECT_GT(to.region->remote_users, 0u);
    b.lane.cut_off(to.region);
  }
  EXPECT_EQ(to.region->remote_users, 0u);
  EXPECT_TRUE(b.qp.quiet());
  // The program frees the region: the provider's registration stays until the provider is done with it.
  size_t before = b.endpoint->registrations();
  to.deregister();
  EXPECT_EQ(b.endpoint->registrations(), before);
  b.endpoint->hold_transfers = false;
  settle();
  EXPECT_LT(b.endpoint->registrations(), before);
}

TEST_F(ResponderTest, ALostFrameEndsTheChannel) {
  Memory from(a.lane, 8, 0), to(b.lane, 8, kAll);
  bool lose = true;
  b.endpoint->on_arrival = [&](auto&) { return !std::exchange(lose, false); };
  a.post(write(1, from, to));
  settle();
  EXPECT_TRUE(b.channel->alive());
  a.post(write(2, from, to));
  settle();
  EXPECT_FALSE(b.channel->alive());
  EXPECT_TRUE(b.link.gone) << "the peer learns of it by the end of the control connection";
  EXPECT_EQ(b.qp.state(), IBV_QPS_ERR);
}

TEST_F(ResponderTest, AFrameThatComesTwiceEndsTheChannel) {
  Memory from(a.lane, 8, 0), to(b.lane, 8, kAll);
  std::vector<unsigned char> copy;
  b.endpoint->on_arrival = [&](std::vector<unsigned char>& bytes) { return copy = bytes, true; };
  a.post(write(1, from, to));
  settle();
  b.endpoint->on_arrival = nullptr;
  b.endpoint->inject(copy);
  settle();
  EXPECT_FALSE(b.channel->alive());
}

TEST_F(ResponderTest, ALossThatNothingFollowsIsFoundByThePeersCount) {
  constexpr uint64_t kTick = 20 * kMillisecond;
  Memory from(a.lane, 8, 0), to(b.lane, 8, kAll);
  b.endpoint->on_arrival = [](auto&) { return false; };
  a.post(write(1, from, to));
  settle();
  EXPECT_EQ(a.channel->frames_sent(), 1u);
  auto guard = b.lane.hold();
  uint64_t now = 0;
  auto report = [&](int times) {
    for (int i = 0; i < times; ++i) b.channel->expect(a.channel->frames_sent(), now += kTick);
    b.lane.pass();
  };
  report(200);
  EXPECT_TRUE(b.channel->alive()) << "it may be on its way";
  report(100);
  EXPECT_FALSE(b.channel->alive());
}

TEST_F(ResponderTest, APeerThatWasStoppedLosesNothing) {
  Memory from(a.lane, 8, 0), to(b.lane, 8, kAll);
  b.endpoint->hold_frames = true;
  a.post(write(1, from, to));
  settle();
  {
    auto guard = b.lane.hold();
    for (int i = 0; i < 500; ++i) b.channel->expect(1, 1000 * kSecond);  // all at once: this side was stopped
    b.lane.pass();
    b.lane.pass();
    b.channel->expect(0, 1001 * kSecond);  // nothing is overdue: from the beginning
    b.channel->expect(1, 2000 * kSecond);
    b.channel->expect(1, 3000 * kSecond);  // the other side was
    b.lane.pass();
  }
  EXPECT_TRUE(b.channel->alive());
  b.endpoint->hold_frames = false;
  settle();
  EXPECT_EQ(a.sent(), (std::vector<Completion>{{1, IBV_WC_SUCCESS}}));
}

TEST_F(ResponderTest, AFrameWithoutOurTokenIsCountedAndDropped) {
  uint64_t before = b.lane.rejected;
  b.endpoint->inject({1, 2, 3});
  b.endpoint->inject(std::vector<unsigned char>(100, 0x5a));
  settle();
  EXPECT_EQ(b.lane.rejected.load(), before + 2);
  EXPECT_TRUE(b.channel->alive());
}

bool has_quiesce(const std::vector<unsigned char>& frame) {
  std::span<const unsigned char> rest = std::span(frame).subspan(sizeof(wire::FrameHeader));
  bool any = false;
  for (wire::Packet packet; !rest.empty() && wire::next_packet(rest, packet);) {
    any |= packet.header.kind == wire::Kind::kQuiesce;
  }
  return any;
}

/// Requests of every kind, cut short and scrambled: a peer that means harm reaches nothing, and costs nobody else.
TEST_F(ResponderTest, ScrambledRequestsReachNoMemoryTheyMayNot) {
  Memory here(a.lane, 4000, kAll, 0x11), open(b.lane, 4000, kAll, 0x22), closed(b.lane, 4000, 0, 0x33);
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    End &from = a, &to = b;
    for (uint64_t i = 0; i < 4; ++i) to.post_receive(i, {open.sge(0, 600)});
    to.endpoint->on_arrival = [&](std::vector<unsigned char>& bytes) {
      size_t begin = sizeof(wire::FrameHeader);
      if (has_quiesce(bytes)) return true;  // without it the sender would wait for ever: that is its own harm
      if (bytes.size() > begin && random() % 3 == 0) bytes.resize(begin + random() % (bytes.size() - begin));
      for (unsigned i = random() % 4; i > 0 && bytes.size() > begin; --i) {
        bytes[begin + random() % (bytes.size() - begin)] = static_cast<unsigned char>(random());
      }
      return true;
    };
    from.post({.wr_id = 1, .sges = {here.sge(0, 100)}});
    from.post({.wr_id = 2, .sges = {here.sge()}});
    from.post({.wr_id = 3,
               .opcode = IBV_WR_RDMA_READ,
               .sges = {here.sge(0, 64)},
               .remote = open.address(),
               .rkey = open.rkey});
    from.post({.wr_id = 4,
               .opcode = IBV_WR_ATOMIC_FETCH_AND_ADD,
               .sges = {here.sge(0, 8)},
               .remote = open.address(),
               .rkey = open.rkey});
    from.post(write(5, here, open));
    settle();
    // Both start afresh, as programs would after an error.
    for (End* end : {&a, &b}) {
      auto guard = end->lane.hold();
      end->qp.fail(IBV_WC_WR_FLUSH_ERR);
    }
    to.endpoint->on_arrival = nullptr;
    until([&] { return a.qp.quiet() && b.qp.quiet(); });
    ASSERT_TRUE(b.channel->alive());
    for (End* end : {&a, &b}) {
      auto guard = end->lane.hold();
      end->qp.reset();
      end->qp.set_state(IBV_QPS_RTS);
      end->qp.requester.restart_budgets();
      end->sent();
      end->received();
    }
  }
  EXPECT_EQ(closed.bytes, std::vector<unsigned char>(4000, 0x33));
  EXPECT_GT(b.channel->rejected, 0u);
}

TEST_F(ResponderTest, AQueuePairOfAnotherPathIsNotShared) {
  auto guard = a.lane.hold();
  a.channel->confirmed = true;
  EXPECT_EQ(a.lane.channel_of(b.id, "here there"), a.channel);
  EXPECT_EQ(a.lane.channel_of(b.id, "here elsewhere"), nullptr);
  EXPECT_EQ(a.lane.channel_of(ProcessId{}, "here there"), nullptr);
}

class UnreliableTest : public TwoEnds {
 public:
  UnreliableTest() : TwoEnds(options()) {}
  static EndOptions options() {
    EndOptions options;
    options.type = IBV_QPT_UC;
    return options;
  }
};

TEST_F(UnreliableTest, AMessageWithoutAReceiveIsLostAndCompletes) {
  Memory from(a.lane, 8, 0), to(b.lane, 8, kAll);
  a.post({.wr_id = 1, .sges = {from.sge()}});
  settle();
  b.post_receive(9, {to.sge()});
  a.post({.wr_id = 2, .sges = {from.sge()}});
  settle();
  EXPECT_EQ(a.sent(), (std::vector<Completion>{{1, IBV_WC_SUCCESS}, {2, IBV_WC_SUCCESS}}));
  EXPECT_EQ(b.received(), (std::vector<Completion>{{9, IBV_WC_SUCCESS}}));
}

}  // namespace
}  // namespace vb
