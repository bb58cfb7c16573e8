// SPDX-License-Identifier: BSD-2-Clause
// What the requester promises, against a responder behind a fabric that refuses, delays and fails.
#include <gtest/gtest.h>

#include <numeric>
#include <span>

#include "transport/two_ends.h"

namespace vb {
namespace {

constexpr unsigned kAll = kLocalWrite | kRemoteWrite | kRemoteRead | kRemoteAtomic;

std::vector<Completion> successes(std::initializer_list<uint64_t> ids) {
  std::vector<Completion> out;
  for (uint64_t id : ids) out.push_back({id, IBV_WC_SUCCESS});
  return out;
}

std::vector<unsigned char> numbered(size_t size) {
  std::vector<unsigned char> bytes(size);
  std::iota(bytes.begin(), bytes.end(), static_cast<unsigned char>(1));
  return bytes;
}

/// How many packets of a frame have this MSN.
size_t packets(const std::vector<unsigned char>& frame, uint32_t msn) {
  std::span<const unsigned char> rest = std::span(frame).subspan(sizeof(wire::FrameHeader));
  size_t count = 0;
  for (wire::Packet packet; !rest.empty() && wire::next_packet(rest, packet);) count += packet.header.msn == msn;
  return count;
}

class RequesterTest : public TwoEnds {};

TEST_F(RequesterTest, SendsArriveAndCompleteInOrder) {
  Memory from(a.lane, 64, 0), to(b.lane, 300, kAll);
  for (uint64_t i = 0; i < 3; ++i) b.post_receive(i, {to.sge(100 * i, 100)});
  for (uint64_t i = 0; i < 3; ++i) {
    from.bytes.assign(64, static_cast<unsigned char>(i + 1));
    a.post({.wr_id = i, .sges = {from.sge()}});
  }
  settle();
  EXPECT_EQ(a.sent(), successes({0, 1, 2}));
  EXPECT_EQ(b.received(), successes({0, 1, 2}));
  EXPECT_EQ(to.bytes[0], 1);
  EXPECT_EQ(to.bytes[263], 3);
}

class UnreliableRequesterTest : public TwoEnds {
 public:
  UnreliableRequesterTest() : TwoEnds(unreliable()) {}

 private:
  static EndOptions unreliable() {
    EndOptions options;
    options.type = IBV_QPT_UC;
    return options;
  }
};

TEST_F(UnreliableRequesterTest, AnAcknowledgementOutlivesTheRequestThatWouldHaveCarriedIt) {
  Memory from(b.lane, 64, 0), to(a.lane, 64, kAll), missing(a.lane, 64, kAll);
  missing.region->on_demand = missing.region->may_fault = true;
  missing.region->address = 64;  // in the first page, which nobody has
  a.post_receive(1, {to.sge()});
  b.post({.wr_id = 2, .sges = {from.sge()}});
  bool came = false;
  until([&] {
    if (!came) came = (a.turn(), !a.received().empty());
    return came;  // and in this very pass: the next would acknowledge it
  });
  a.post({.wr_id = 3, .sges = {missing.sge()}});
  EXPECT_EQ(a.sent(), (std::vector<Completion>{{3, IBV_WC_LOC_PROT_ERR}}));
  settle();
  EXPECT_EQ(b.sent(), successes({2}));
}

TEST_F(RequesterTest, WithItsDeviceGoneNobodyWaitsForThePeer) {
  Memory from(a.lane, 100000, kAll), to(b.lane, 100000, kAll), room(a.lane, 100, kAll);
  a.post_receive(7, {room.sge()});
  a.post({.wr_id = 1, .opcode = IBV_WR_RDMA_WRITE, .sges = {from.sge()}, .remote = to.address(), .rkey = to.rkey});
  {
    auto guard = a.lane.hold();
    a.lane.device_gone({a.qp.qpn >> kSlotBits});
  }
  EXPECT_EQ(a.qp.state(), IBV_QPS_ERR);
  EXPECT_EQ(a.sent(), (std::vector<Completion>{{1, IBV_WC_WR_FLUSH_ERR}}));
  EXPECT_EQ(a.received(), (std::vector<Completion>{{7, IBV_WC_WR_FLUSH_ERR}}));
  EXPECT_TRUE(a.link.gone) << "the connection has ended";
  EXPECT_TRUE(a.events.empty()) << "the device's event says it";
}

TEST_F(RequesterTest, AFabricThatIsBusyOnlyDelays) {
  Memory from(a.lane, 4000, kAll), to(b.lane, 4000, kAll);
  from.bytes = numbered(4000);
  from.region->address = from.region->iova = from.address();
  for (End* end : {&a, &b}) end->endpoint->refuse_sends = end->endpoint->refuse_transfers = 3;
  for (uint64_t i = 0; i < 4; ++i) {
    a.post({.wr_id = i,
            .opcode = IBV_WR_RDMA_WRITE,
            .sges = {{from.address() + i * 1000, 1000, from.lkey}},
            .remote = to.address() + i * 1000,
            .rkey = to.rkey});
  }
  a.post({.wr_id = 4,
          .opcode = IBV_WR_RDMA_READ,
          .sges = {{from.address(), 10, from.lkey}},
          .remote = to.address() + 90,
          .rkey = to.rkey});
  std::vector<Completion> done;
  until([&] {
    for (Completion each : a.sent()) done.push_back(each);
    return done.size() == 5;
  });
  EXPECT_EQ(done, successes({0, 1, 2, 3, 4}));
  EXPECT_EQ(to.bytes, numbered(4000));
  EXPECT_EQ(from.bytes[0], to.bytes[90]);
}

TEST_F(RequesterTest, NoMoreRequestsAreOutstandingThanTheWindow) {
  b.endpoint->hold_frames = true;
  Memory from(a.lane, 8, 0), to(b.lane, 8, kAll);
  for (uint64_t i = 0; i < 2 * kWindow; ++i) {
    b.post_receive(i, {to.sge()});
    a.post({.wr_id = i, .sges = {from.sge()}});
  }
  settle();
  size_t requests = 0;
  b.endpoint->on_arrival = [&](std::vector<unsigned char>& bytes) {
    for (uint32_t msn = 0; msn < 2 * kWindow; ++msn) requests += packets(bytes, msn);
    return true;
  };
  b.endpoint->hold_frames = false;
  b.turn();
  EXPECT_EQ(requests, kWindow);
  settle();
  EXPECT_EQ(a.sent().size(), 2 * kWindow);
}

TEST_F(RequesterTest, AFenceWaitsForReads) {
  Memory from(a.lane, 8, kAll), to(b.lane, 16, kAll);
  b.endpoint->hold_frames = true;
  a.post({.wr_id = 1, .opcode = IBV_WR_RDMA_READ, .sges = {from.sge()}, .remote = to.address(), .rkey = to.rkey});
  settle();
  size_t frames = a.endpoint->frames;
  a.post({.wr_id = 2,
          .opcode = IBV_WR_RDMA_WRITE,
          .sges = {from.sge()},
          .remote = to.address() + 8,
          .rkey = to.rkey,
          .flags = IBV_SEND_SIGNALED | IBV_SEND_FENCE});
  settle();
  EXPECT_EQ(a.endpoint->frames, frames) << "sent before the read is done";
  b.endpoint->hold_frames = false;
  settle();
  EXPECT_EQ(a.sent(), successes({1, 2}));
}

TEST_F(RequesterTest, WhenNotReadyEverythingFromThereOnIsSentAgain) {
  Memory from(a.lane, 8, 0), to(b.lane, 24, kAll);
  for (uint64_t i = 0; i < 3; ++i) {
    from.bytes.assign(8, static_cast<unsigned char>(i + 1));
    a.post({.wr_id = i, .sges = {from.sge()}});
    from.bytes.assign(8, 0xcc);
  }
  // The payload is read again when it is sent again: the program may not touch it before the completion.
  from.bytes.assign(8, 9);
  b.turn();
  b.turn();
  for (uint64_t i = 0; i < 3; ++i) b.post_receive(i, {to.sge(8 * i, 8)});
  std::vector<Completion> done;
  until([&] {
    for (Completion each : a.sent()) done.push_back(each);
    return done.size() == 3;
  });
  EXPECT_EQ(done, successes({0, 1, 2}));
  EXPECT_EQ(b.received(), successes({0, 1, 2}));
  EXPECT_EQ(to.bytes, std::vector<unsigned char>(24, 9));
}

TEST_F(RequesterTest, NotReadyTooOftenIsAnError) {
  Memory from(a.lane, 8, 0);
  a.qp.path.rnr_retry = 2;
  a.qp.requester.restart_budgets();
  size_t tries = 0;
  b.endpoint->on_arrival = [&](auto& bytes) {
    tries += packets(bytes, 0);
    return true;
  };
  a.post({.wr_id = 1, .sges = {from.sge()}});
  a.post({.wr_id = 2, .sges = {from.sge()}});
  until([&] { return a.qp.state() == IBV_QPS_ERR; });
  settle();
  EXPECT_EQ(tries, 3u);
  EXPECT_EQ(a.sent(), (std::vector<Completion>{{1, IBV_WC_RNR_RETRY_EXC_ERR}, {2, IBV_WC_WR_FLUSH_ERR}}));
  EXPECT_EQ(b.qp.state(), IBV_QPS_RTS);
}

TEST_F(RequesterTest, DrainingSendsAgainWhatWasRefusedAndBeginsNothing) {
  Memory from(a.lane, 8, 0), to(b.lane, 24, kAll);
  a.post({.wr_id = 1, .sges = {from.sge()}});
  a.post({.wr_id = 2, .sges = {from.sge()}});
  b.turn();
  b.turn();  // the NAK is on its way
  {
    auto guard = a.lane.hold();
    a.qp.set_state(IBV_QPS_SQD);
    a.qp.drain_event_owed = true;
    a.lane.drained(a.qp);
  }
  a.post({.wr_id = 3, .sges = {from.sge()}});
  a.turn();
  EXPECT_TRUE(a.events.empty());
  for (uint64_t i = 1; i <= 3; ++i) b.post_receive(i, {to.sge(0, 8)});
  until([&] { return !a.events.empty(); });
  EXPECT_EQ(a.events, std::vector<ibv_event_type>{IBV_EVENT_SQ_DRAINED});
  settle();
  EXPECT_EQ(a.sent(), successes({1, 2}));
  EXPECT_EQ(b.received(), successes({1, 2}));
  auto guard = a.lane.hold();
  a.qp.set_state(IBV_QPS_RTS);
  a.qp.requester.run();
  guard.unlock();
  settle();
  EXPECT_EQ(a.sent(), successes({3}));
}

TEST_F(RequesterTest, WithManyPayloadsUnderWayAnnouncementsShareAFrame) {
  constexpr uint64_t kMany = 8, kMore = 4;
  Memory from(a.lane, 4000, 0), to(b.lane, 4000, kAll);
  b.endpoint->hold_transfers = true;
  auto write = [&](uint64_t id) {
    a.post({.wr_id = id, .opcode = IBV_WR_RDMA_WRITE, .sges = {from.sge()}, .remote = to.address(), .rkey = to.rkey});
  };
  for (uint64_t id = 1; id < kMany; ++id) write(id);
  settle();
  size_t before = a.endpoint->frames;
  EXPECT_EQ(before, kMany - 1);
  for (uint64_t id = kMany; id < kMany + kMore; ++id) write(id);
  EXPECT_EQ(a.endpoint->frames, before);
  a.turn();
  EXPECT_EQ(a.endpoint->frames, before + 1);
  a.lane.helper_sleeps = true;  // nobody might pass for a long time
  write(kMany + kMore);
  EXPECT_EQ(a.endpoint->frames, before + 2);
  b.endpoint->hold_transfers = false;
  settle();
  EXPECT_EQ(a.sent().size(), kMany + kMore);
}

TEST_F(RequesterTest, ANakAboutAnEarlierRoundIsIgnored) {
  Memory from(a.lane, 8, 0), to(b.lane, 8, kAll);
  a.post({.wr_id = 1, .sges = {from.sge()}});
  b.turn();
  b.turn();
  b.endpoint->hold_frames = true;
  until([&] { return a.endpoint->frames == 2; });  // refused, and sent again
  wire::Packet stale{};
  stale.header.kind = wire::Kind::kNak;
  stale.header.aux = static_cast<uint32_t>(wire::NakCode::kReceiverNotReady) | 1u << 8;
  {
    auto guard = a.lane.hold();
    a.qp.requester.refused(stale);
  }
  for (uint64_t end = clock_ns() + kMillisecond; clock_ns() < end;) a.turn();  // a hundred times the timer
  EXPECT_EQ(a.endpoint->frames, 2u);
  b.post_receive(1, {to.sge()});
  b.endpoint->hold_frames = false;
  settle();
  EXPECT_EQ(a.sent(), successes({1}));
}

TEST_F(RequesterTest, APeerThatIsNotConnectedCostsTheRetryBudget) {
  Memory from(a.lane, 8, 0);
  b.qp.set_state(IBV_QPS_INIT);
  a.qp.path.timeout = 1;
  a.qp.path.retry_count = 2;
  a.qp.requester.restart_budgets();
  size_t tries = 0;
  b.endpoint->on_arrival = [&](auto&) { return ++tries, true; };
  a.post({.wr_id = 1, .sges = {from.sge()}});
  until([&] { return a.qp.state() == IBV_QPS_ERR; });
  EXPECT_EQ(tries, 3u);
  EXPECT_EQ(a.sent(), (std::vector<Completion>{{1, IBV_WC_RETRY_EXC_ERR}}));
}

TEST_F(RequesterTest, NothingCompletesWhileThePeerReachesIntoItsMemory) {
  Memory from(a.lane, 4000, 0), to(b.lane, 4000, kAll);
  b.endpoint->hold_transfers = true;
  a.post({.wr_id = 1, .opcode = IBV_WR_RDMA_WRITE, .sges = {from.sge()}, .remote = to.address(), .rkey = to.rkey});
  settle();
  ASSERT_GT(b.endpoint->in_flight(), 0u);
  {
    auto guard = a.lane.hold();
    a.qp.fail(IBV_WC_WR_FLUSH_ERR);
  }
  settle();
  EXPECT_TRUE(a.sent().empty());
  EXPECT_FALSE(a.qp.quiet());
  b.endpoint->hold_transfers = false;
  settle();
  EXPECT_EQ(a.sent(), (std::vector<Completion>{{1, IBV_WC_WR_FLUSH_ERR}}));
  EXPECT_TRUE(a.qp.quiet());
}

TEST_F(RequesterTest, ADeadPeerLetsGo) {
  Memory from(a.lane, 4000, 0), to(b.lane, 4000, kAll);
  b.endpoint->hold_transfers = true;
  a.post({.wr_id = 1, .opcode = IBV_WR_RDMA_WRITE, .sges = {from.sge()}, .remote = to.address(), .rkey = to.rkey});
  settle();
  {
    auto guard = a.lane.hold();
    a.channel->die(true);
  }
  EXPECT_EQ(a.sent(), (std::vector<Completion>{{1, IBV_WC_RETRY_EXC_ERR}}));
  EXPECT_TRUE(a.qp.quiet());
}

TEST_F(RequesterTest, MemoryThatTheFabricDoesNotTakeIsALocalError) {
  Memory from(a.lane, 4000, 0), to(b.lane, 4000, kAll);
  a.endpoint->refuse_registrations = -1;
  a.post({.wr_id = 1, .opcode = IBV_WR_RDMA_WRITE, .sges = {from.sge()}, .remote = to.address(), .rkey = to.rkey});
  settle();
  EXPECT_EQ(a.sent(), (std::vector<Completion>{{1, IBV_WC_LOC_QP_OP_ERR}}));
}

TEST_F(RequesterTest, ADeadPathIsProbedAndThenAnError) {
  Memory from(a.lane, 8, 0);
  b.endpoint->hold_frames = true;
  a.qp.path.timeout = 12;
  a.qp.path.retry_count = 1;
  a.post({.wr_id = 1, .sges = {from.sge()}});
  until([&] { return a.link.probes > 3; });
  EXPECT_EQ(a.qp.state(), IBV_QPS_RTS) << "a peer that lives, however slow, is not given up";
  a.link.dead = true;
  until([&] { return a.qp.state() == IBV_QPS_ERR; });
  EXPECT_EQ(a.sent(), (std::vector<Completion>{{1, IBV_WC_RETRY_EXC_ERR}}));
}

/// Reads and writes, as each way of naming memory has it.
struct Naming {
  const char* name;
  bool virtual_addresses;
  bool registers_local;
  bool in_order;
};

class MemoryNamingTest : public testing::TestWithParam<Naming> {};

TEST_P(MemoryNamingTest, LargePayloadsMoveInPiecesThatTheFabricTakes) {
  EndOptions options;
  options.traits.registers_local = GetParam().registers_local;
  options.traits.reads_in_order = GetParam().in_order;
  options.modes.virtual_addresses = GetParam().virtual_addresses;
  struct Pair : TwoEnds {
    explicit Pair(const EndOptions& options) : TwoEnds(options) {}
    void TestBody() override {}
  } pair(options);
  End &a = pair.a, &b = pair.b;
  Memory from(a.lane, 6000, kAll), to(b.lane, 6000, kAll), back(a.lane, 6000, kAll);
  std::vector<unsigned char> data = numbered(6000);
  std::copy(data.begin(), data.end(), from.bytes.begin());
  a.post({.wr_id = 1,
          .opcode = IBV_WR_RDMA_WRITE,
          .sges = {from.sge(0, 1500), from.sge(1500, 4), from.sge(1504, 4496)},
          .remote = to.address(),
          .rkey = to.rkey});
  a.post({.wr_id = 2,
          .opcode = IBV_WR_RDMA_READ,
          .sges = {back.sge(0, 5999), back.sge(5999, 1)},
          .remote = to.address(),
          .rkey = to.rkey});
  b.post_receive(7, {to.sge(0, 3000), to.sge(3000, 3000)});
  a.post({.wr_id = 3, .sges = {from.sge()}});
  pair.settle();
  EXPECT_EQ(a.sent(), successes({1, 2, 3}));
  EXPECT_EQ(b.received(), successes({7}));
  EXPECT_EQ(to.bytes, data);
  EXPECT_EQ(back.bytes, data);
  EXPECT_GE(b.endpoint->transfers, 18u);
  EXPECT_LE(b.endpoint->longest, 1000u);
}

INSTANTIATE_TEST_SUITE_P(Fabric, MemoryNamingTest,
                         testing::Values(Naming{"offsets", false, true, false}, Naming{"virtual", true, true, false},
                                         Naming{"unregistered", false, false, true},
                                         Naming{"in_order", true, false, true}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace vb
