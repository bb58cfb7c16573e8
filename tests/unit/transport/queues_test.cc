// SPDX-License-Identifier: BSD-2-Clause
// The queues and tables that the data path stands on.
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "transport/completion_queue.h"
#include "transport/memory.h"
#include "transport/receive_queue.h"
#include "transport/send_queue.h"
#include "transport/sequence.h"
#include "transport/timing.h"

namespace vb {
namespace {

struct Listener final : CompletionQueue::Listener {
  void completion_event() override { ++events; }
  void completion_delayed() override { ++delays; }
  void overflow() override { ++overflows; }
  int events = 0;
  int delays = 0;
  int overflows = 0;
};

Cqe cqe(uint64_t wr_id, ibv_wc_status status = IBV_WC_SUCCESS) {
  Cqe out;
  out.wr_id = wr_id;
  out.status = status;
  return out;
}

std::vector<uint64_t> drain(CompletionQueue& queue) {
  std::vector<uint64_t> ids;
  queue.consume(1000, [&](const Cqe& each, int) { ids.push_back(each.wr_id); });
  return ids;
}

TEST(CompletionQueueTest, KeepsOrderAcrossAResize) {
  Listener listener;
  CompletionQueue queue;
  ASSERT_TRUE(queue.open({.depth = 3}, &listener));
  for (uint64_t id : {1, 2, 3}) queue.push(cqe(id), false);
  EXPECT_EQ(queue.resize(2).error(), EINVAL);
  ASSERT_TRUE(queue.resize(100));
  queue.push(cqe(4), false);
  EXPECT_EQ(drain(queue), (std::vector<uint64_t>{1, 2, 3, 4}));
}

TEST(CompletionQueueTest, TellsOfAnOverflowOnce) {
  Listener listener;
  CompletionQueue queue;
  ASSERT_TRUE(queue.open({.depth = 1}, &listener));
  for (uint64_t id : {1, 2, 3}) queue.push(cqe(id), false);
  EXPECT_EQ(listener.overflows, 1);
  EXPECT_EQ(drain(queue), (std::vector<uint64_t>{1}));
}

TEST(CompletionQueueTest, AQueueThatOverflowedIsInErrorForEver) {
  Listener listener;
  CompletionQueue queue;
  ASSERT_TRUE(queue.open({.depth = 1}, &listener));
  EXPECT_TRUE(queue.push(cqe(1), false));
  EXPECT_FALSE(queue.push(cqe(2), false));
  EXPECT_EQ(drain(queue), (std::vector<uint64_t>{1}));
  EXPECT_FALSE(queue.push(cqe(3), false));
  EXPECT_EQ(listener.overflows, 1);
  EXPECT_TRUE(drain(queue).empty());
}

TEST(CompletionQueueTest, AnIgnoredOverrunKeepsTheNewest) {
  Listener listener;
  CompletionQueue queue;
  ASSERT_TRUE(queue.open({.depth = 2, .ignore_overrun = true}, &listener));
  for (uint64_t id : {1, 2, 3}) EXPECT_TRUE(queue.push(cqe(id), false));
  EXPECT_EQ(listener.overflows, 0);
  EXPECT_EQ(drain(queue), (std::vector<uint64_t>{2, 3}));
}

TEST(CompletionQueueTest, AModeratedEventWaitsForItsCount) {
  Listener listener;
  CompletionQueue queue;
  ASSERT_TRUE(queue.open({.depth = 8}, &listener));
  queue.moderate(3, 1'000'000);
  queue.arm(false);
  queue.push(cqe(1), false);
  queue.push(cqe(2), false);
  EXPECT_EQ(listener.events, 0);
  EXPECT_EQ(listener.delays, 1);
  queue.push(cqe(3), false);
  EXPECT_EQ(listener.events, 1);
  EXPECT_FALSE(queue.armed());
}

TEST(CompletionQueueTest, AModeratedEventComesWhenItsPeriodIsOver) {
  Listener listener;
  CompletionQueue queue;
  ASSERT_TRUE(queue.open({.depth = 8}, &listener));
  queue.moderate(0, 1'000'000);
  queue.arm(true);
  queue.push(cqe(1), false);
  EXPECT_EQ(listener.delays, 0);
  queue.push(cqe(2), true);
  EXPECT_EQ(listener.events, 0);
  queue.period_over();
  EXPECT_EQ(listener.events, 1);
  queue.arm(true);
  queue.period_over();
  EXPECT_EQ(listener.events, 1);
}

TEST(CompletionQueueTest, AnErrorIsNotModerated) {
  Listener listener;
  CompletionQueue queue;
  ASSERT_TRUE(queue.open({.depth = 8}, &listener));
  queue.moderate(100, 1'000'000);
  queue.arm(false);
  queue.push(cqe(1, IBV_WC_WR_FLUSH_ERR), false);
  EXPECT_EQ(listener.events, 1);
}

TEST(CompletionQueueTest, OneEventForEachArming) {
  Listener listener;
  CompletionQueue queue;
  ASSERT_TRUE(queue.open({.depth = 8}, &listener));
  queue.push(cqe(1), true);
  EXPECT_EQ(listener.events, 0);
  queue.arm(false);
  queue.push(cqe(2), false);
  queue.push(cqe(3), false);
  EXPECT_EQ(listener.events, 1);
}

TEST(CompletionQueueTest, SolicitedOnlyWakesForSolicitedAndForErrors) {
  Listener listener;
  CompletionQueue queue;
  ASSERT_TRUE(queue.open({.depth = 8}, &listener));
  queue.arm(true);
  queue.push(cqe(1), false);
  EXPECT_EQ(listener.events, 0);
  queue.push(cqe(2), true);
  EXPECT_EQ(listener.events, 1);
  queue.arm(true);
  queue.push(cqe(3, IBV_WC_WR_FLUSH_ERR), false);
  EXPECT_EQ(listener.events, 2);
}

TEST(CompletionQueueTest, AWiderArmingIsNotNarrowed) {
  Listener listener;
  CompletionQueue queue;
  ASSERT_TRUE(queue.open({.depth = 8}, &listener));
  EXPECT_TRUE(queue.arm(false));
  EXPECT_FALSE(queue.arm(true));
  queue.push(cqe(1), false);
  EXPECT_EQ(listener.events, 1);
}

ibv_recv_wr receive(uint64_t wr_id, ibv_sge* sges, int count) {
  ibv_recv_wr wr{};
  wr.wr_id = wr_id;
  wr.sg_list = sges;
  wr.num_sge = count;
  return wr;
}

TEST(ReceiveQueueTest, RefusesWhatDoesNotFit) {
  ReceiveQueue queue;
  ASSERT_TRUE(queue.open(2, 1));
  ibv_sge sges[2] = {{1, 10, 3}, {2, 20, 4}};
  EXPECT_EQ(queue.post(receive(1, sges, 2)), EINVAL);
  EXPECT_EQ(queue.post(receive(1, sges, 1)), 0);
  EXPECT_EQ(queue.post(receive(2, nullptr, 0)), 0);
  EXPECT_EQ(queue.post(receive(3, nullptr, 0)), ENOMEM);
}

TEST(ReceiveQueueTest, TheLimitFiresOnceBelowIt) {
  ReceiveQueue queue;
  ASSERT_TRUE(queue.open(4, 1));
  for (uint64_t id : {1, 2, 3, 4}) ASSERT_EQ(queue.post(receive(id, nullptr, 0)), 0);
  queue.arm_limit(3);
  ReceiveWqe wqe;
  bool reached = false;
  std::vector<bool> fired;
  while (queue.pop(wqe, reached)) fired.push_back(reached);
  EXPECT_EQ(fired, (std::vector<bool>{false, true, false, false}));
}

TEST(ReceiveQueueTest, AReceiveTooSmallStaysForTheNextMessage) {
  ReceiveQueue queue;
  ASSERT_TRUE(queue.open(1, 1));
  ibv_sge sge{1, 10, 3};
  ASSERT_EQ(queue.post(receive(1, &sge, 1)), 0);
  ReceiveWqe wqe;
  bool reached = false;
  EXPECT_FALSE(queue.pop(wqe, reached, 11));
  EXPECT_TRUE(queue.pop(wqe, reached, 10));
}

TEST(SendQueueTest, ARollbackLeavesNothing) {
  SendQueue queue;
  ASSERT_TRUE(queue.open(2, 1, 0));
  ASSERT_NE(queue.reserve(), nullptr);
  ASSERT_NE(queue.reserve(), nullptr);
  EXPECT_EQ(queue.reserve(), nullptr);
  queue.rollback();
  EXPECT_EQ(queue.posted(), queue.retired());
  EXPECT_NE(queue.reserve(), nullptr);
}

TEST(MemoryTableTest, KeysLeadOnlyWhereTheyMay) {
  MemoryTable table;
  int pd = 0, other = 0;
  MemoryRegion region;
  region.address = 0x10000;
  region.iova = 0x500000;
  region.length = 100;
  region.access = kLocalWrite | kRemoteRead;
  region.pd = &pd;
  ASSERT_TRUE(table.add(region));
  EXPECT_EQ(table.remote(region.key, &pd, nullptr, 0x500000, 100, kRemoteRead), &region);
  EXPECT_EQ(region.host(0x500000 + 5), reinterpret_cast<unsigned char*>(0x10005));
  EXPECT_EQ(table.remote(region.key, &other, nullptr, 0x500000, 100, kRemoteRead), nullptr);
  EXPECT_EQ(table.remote(region.key, &pd, nullptr, 0x500000, 100, kRemoteWrite), nullptr);
  EXPECT_EQ(table.remote(region.key, &pd, nullptr, 0x500001, 100, kRemoteRead), nullptr);
  EXPECT_EQ(table.remote(region.key, &pd, nullptr, 0x4fffff, 1, kRemoteRead), nullptr);
  EXPECT_EQ(table.remote(region.key, &pd, nullptr, ~uint64_t{0}, 2, kRemoteRead), nullptr);
  EXPECT_EQ(table.remote(0, &pd, nullptr, 0x500000, 1, kRemoteRead), nullptr);
  table.remove(region);
  EXPECT_EQ(table.remote(region.key, &pd, nullptr, 0x500000, 1, kRemoteRead), nullptr);
}

TEST(MemoryTableTest, AWindowServesItsQueuePairWhileItIsBound) {
  MemoryTable table;
  int pd = 0, qp = 0, other = 0;
  MemoryRegion region;
  MemoryWindow window;
  window.pd = region.pd = &pd;
  window.length = region.length = 100;
  window.access = kRemoteWrite;
  ASSERT_TRUE(table.add(region));
  ASSERT_TRUE(table.add(window));
  EXPECT_EQ(table.remote(window.key, &pd, &qp, 0, 100, kRemoteWrite), nullptr);
  window.region = &region;
  window.qp = &qp;
  EXPECT_EQ(table.remote(window.key, &pd, &qp, 0, 100, kRemoteWrite), &window);
  EXPECT_EQ(table.remote(window.key, &pd, &other, 0, 100, kRemoteWrite), nullptr);
  EXPECT_EQ(table.local(window.key, &pd, 0, 1, kLocalRead), nullptr);
  EXPECT_EQ(table.window(window.key), &window);
  EXPECT_EQ(table.window(region.key), nullptr);
  EXPECT_EQ(table.region(window.key), nullptr);
}

TEST(MemoryTableTest, AKeyKeepsItsUpperBitsWhenItsLowByteChanges) {
  MemoryTable table;
  int pd;
  MemoryWindow window;
  MemoryRegion region;
  window.pd = &pd;
  window.region = &region;
  window.length = 8;
  ASSERT_TRUE(table.add(window));
  for (int i = 0; i < 300; ++i) {
    uint32_t old = window.key, next = (old & 0xffffff00) | ((old + 1) & 0xff);
    table.rename(window, next);
    EXPECT_EQ(table.remote(old, &pd, nullptr, 0, 8, 0), nullptr);
    EXPECT_EQ(table.remote(next, &pd, nullptr, 0, 8, 0), &window);
  }
  table.remove(window);
  EXPECT_EQ(table.window(window.key), nullptr);
}

TEST(MemoryTableTest, ManyRegionsComeAndGo) {
  MemoryTable table;
  int pd;
  std::vector<MemoryRegion> regions(3000);
  std::set<uint32_t> keys;
  for (MemoryRegion& region : regions) {
    region.length = 8;
    region.pd = &pd;
    ASSERT_TRUE(table.add(region));
    EXPECT_NE(region.key, 0u);
    keys.insert(region.key);
  }
  EXPECT_EQ(keys.size(), regions.size());
  for (size_t i = 0; i < regions.size(); i += 2) table.remove(regions[i]);
  for (size_t i = 0; i < regions.size(); ++i) {
    MemoryRegion* expected = i % 2 ? &regions[i] : nullptr;
    EXPECT_EQ(table.local(regions[i].key, &pd, 0, 8, kLocalRead), expected) << i;
  }
}

TEST(TimingTest, TheRnrTableIsTheSpecifications) {
  EXPECT_EQ(path::rnr_timer_ns(0), 655'360'000u);
  EXPECT_EQ(path::rnr_timer_ns(1), 10'000u);
  EXPECT_EQ(path::rnr_timer_ns(12), 640'000u);
  EXPECT_EQ(path::rnr_timer_ns(31), 491'520'000u);
}

TEST(SequenceTest, OrderSurvivesTheWrap) {
  EXPECT_TRUE(before(0xffffffff, 0));
  EXPECT_FALSE(before(0, 0xffffffff));
  EXPECT_FALSE(before(5, 5));
}

}  // namespace
}  // namespace vb
