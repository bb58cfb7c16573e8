// SPDX-License-Identifier: BSD-2-Clause
// Verbs are thread safe: threads share queue pairs, CQs and SRQs without a lock of their own, and make and destroy
// objects beside each other.
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <numeric>
#include <thread>

#include "support/pair.h"
#include "support/pattern.h"

namespace vt {
namespace {

constexpr size_t kThreads = 4, kEach = 100, kAll = kThreads * kEach;

void in_threads(const std::function<void(size_t)>& what) {
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kThreads; ++i) threads.emplace_back(what, i);
  for (std::thread& each : threads) each.join();
}

// What completes on a CQ that many threads poll. Ids count from 0.
class Completions {
 public:
  explicit Completions(ibv_cq* cq) : cq_(cq), times_(kAll) {}

  int poll() {
    ibv_wc wcs[4];
    const int count = ibv_poll_cq(cq_, 4, wcs);
    for (int i = 0; i < count; ++i) {
      failed_ += wcs[i].status != IBV_WC_SUCCESS;
      ++times_.at(wcs[i].wr_id);
      ++seen_;
    }
    return count;
  }
  template <class Done>
  bool poll_until(Done done) {
    for (Deadline deadline; !done();) {
      if (deadline.expired()) return false;
      poll();
    }
    return true;
  }
  bool wait_for(uint64_t id) {
    return poll_until([&] { return times_.at(id) != 0; });
  }
  bool wait_for_all() {
    return poll_until([&] { return seen_ >= kAll; });
  }
  bool each_once() const {
    return std::all_of(times_.begin(), times_.end(), [](const auto& times) { return times == 1; });
  }
  size_t seen() const { return seen_; }
  size_t failed() const { return failed_; }

 private:
  ibv_cq* cq_;
  std::vector<std::atomic<int>> times_;
  std::atomic<size_t> seen_{0}, failed_{0};
};

class ThreadsTest : public ConnectedTest {
 protected:
  ThreadsTest() { options.max_recv_wr = kAll; }

  ibv_qp* qp(int index = 0) { return a().local().qp(index); }
  ibv_cq* send_cq() { return a().local().send_cq(); }

  int post(ibv_qp* to, SendWr request) {
    ibv_send_wr* bad;
    request.wr.sg_list = request.sges.data();
    request.wr.num_sge = static_cast<int>(request.sges.size());
    return ibv_post_send(to, &request.wr, &bad);
  }
  // A queue that is full has room again when others have been polled.
  bool post_when_there_is_room(const SendWr& request, Completions& completions) {
    int rc = ENOMEM;
    return completions.poll_until([&] { return (rc = post(qp(), request)) != ENOMEM; }) && rc == 0;
  }

  // Each adds 1 to the same number at b, one after the other.
  void count_up(size_t thread, ibv_qp* with, Completions& completions) {
    for (size_t id = thread * kEach; id < (thread + 1) * kEach; ++id) {
      ASSERT_EQ(post(with, fetch_add_wr(id, {at_a.sge(id * 8, 8)}, at_b.buffer, at_b.rkey, 1)), 0);
      ASSERT_TRUE(completions.wait_for(id));
    }
  }
  // From b, as the main thread.
  void send_all() {
    constexpr size_t kBatch = 50;
    for (size_t sent = 0; sent < kAll; sent += kBatch) {
      std::vector<SendWr> sends;
      for (size_t id = sent; id < sent + kBatch; ++id) sends.push_back(send_wr(id, {}));
      EXPECT_POSTED(b().post_send(sends));
      EXPECT_TRUE(completed_all(b().wait_send(kBatch), ids_from(sent, kBatch), IBV_WC_SUCCESS));
    }
  }
  // Every value was fetched once.
  void expect_counted(const Completions& completions) {
    EXPECT_TRUE(completions.each_once());
    EXPECT_EQ(completions.failed(), 0u);
    std::vector<uint64_t> fetched(kAll), wanted(kAll);
    const Bytes results = a().load(0, kAll * 8);
    std::memcpy(fetched.data(), results.data(), results.size());
    std::sort(fetched.begin(), fetched.end());
    std::iota(wanted.begin(), wanted.end(), 0);
    EXPECT_EQ(fetched, wanted);
  }
};

class AtomicThreadsTest : public ThreadsTest {
 protected:
  AtomicThreadsTest() { options.qps = kThreads; }
};

INSTANTIATE_TEST_SUITE_P(Both, ThreadsTest, kRc, param_name);
INSTANTIATE_TEST_SUITE_P(Both, AtomicThreadsTest, kRc, param_name);

TEST_P(AtomicThreadsTest, ThreadsOnOneQpShareItsCq) {
  Completions completions(send_cq());
  in_threads([&](size_t thread) { count_up(thread, qp(), completions); });
  expect_counted(completions);
}

TEST_P(AtomicThreadsTest, ThreadsConnectEachAQpAndShareTheCq) {
  std::vector<Address> at(kThreads);
  for (size_t i = 1; i < kThreads; ++i) {
    at[i] = b().address(static_cast<int>(i));
    ASSERT_EQ(b().connect(a().address(static_cast<int>(i)), link, static_cast<int>(i)), 0);
  }
  Completions completions(send_cq());
  in_threads([&](size_t thread) {
    const int own = static_cast<int>(thread);
    if (own != 0) ASSERT_EQ(a().connect(at[thread], link, own), 0);
    count_up(thread, qp(own), completions);
  });
  expect_counted(completions);
}

TEST_P(ThreadsTest, EachThreadsMessagesArriveInItsOrder) {
  std::vector<RecvWr> receives;
  for (size_t id = 0; id < kAll; ++id) receives.push_back(recv_wr(id));
  ASSERT_POSTED(b().post_recv(receives));
  Completions completions(send_cq());
  in_threads([&](size_t thread) {
    for (size_t id = thread * kEach; id < (thread + 1) * kEach; ++id)
      ASSERT_TRUE(post_when_there_is_room(send_imm_wr(id, {}, static_cast<uint32_t>(id)), completions));
  });
  EXPECT_TRUE(completions.wait_for_all());
  EXPECT_TRUE(completions.each_once());
  std::vector<size_t> next(kThreads);
  const std::vector<ibv_wc> arrived = b().wait_recv(kAll);
  ASSERT_EQ(arrived.size(), kAll);
  for (const ibv_wc& wc : arrived) {
    const size_t thread = wc.imm_data / kEach;
    ASSERT_LT(thread, kThreads);
    ASSERT_EQ(wc.imm_data % kEach, next[thread]++);
  }
}

// Threads go on posting while the QP goes to ERR: whatever was accepted completes, once.
TEST_P(ThreadsTest, AQpThatIsStoppedMeanwhileLosesNothing) {
  Completions completions(send_cq());
  in_threads([&](size_t thread) {
    for (size_t i = 0; i < kEach; ++i) {
      const uint64_t id = thread * kEach + i;
      ASSERT_TRUE(post_when_there_is_room(write_wr(id, {at_a.sge(0, 8)}, at_b.buffer, at_b.rkey), completions));
      if (thread == 0 && i == kEach / 2) ASSERT_EQ(a().move(IBV_QPS_ERR), 0);
    }
  });
  EXPECT_TRUE(completions.wait_for_all());
  EXPECT_TRUE(completions.each_once());
  EXPECT_GT(completions.failed(), 0u);
}

// All that a thread may make and destroy while others work. The result: what failed.
const char* make_and_destroy(End& end, uint64_t (&memory)[512]) {
  int devices = 0;
  ibv_device** list = ibv_get_device_list(&devices);
  if (!list || devices == 0) return "ibv_get_device_list";
  ibv_free_device_list(list);
  ContextPtr context = open_device();
  ibv_port_attr port;
  ibv_gid gid;
  if (ibv_query_port(context.get(), 1, &port) != 0) return "ibv_query_port";
  if (ibv_query_gid(context.get(), 1, 0, &gid) != 0) return "ibv_query_gid";
  MrPtr region(ibv_reg_mr(end.pd(), memory, sizeof memory, kAllAccess));
  if (!region) return "ibv_reg_mr";
  CqPtr cq(ibv_create_cq(end.context(), 16, nullptr, end.channel(), 0));
  if (!cq) return "ibv_create_cq";
  ibv_qp_init_attr attr{};
  attr.send_cq = attr.recv_cq = cq.get();
  attr.qp_type = IBV_QPT_RC;
  attr.cap = {.max_send_wr = 16, .max_recv_wr = 16, .max_send_sge = 1, .max_recv_sge = 1, .max_inline_data = 0};
  QpPtr qp(ibv_create_qp(end.pd(), &attr));
  if (!qp) return "ibv_create_qp";
  ibv_qp_attr init = init_attr({});
  if (ibv_modify_qp(qp.get(), &init, init_mask()) != 0) return "ibv_modify_qp";
  return nullptr;
}

TEST_P(ThreadsTest, ObjectsComeAndGoBesideTraffic) {
  constexpr int kRounds = 25;
  Completions completions(send_cq());
  End& end = a().local();
  in_threads([&](size_t thread) {
    if (thread % 2) count_up(thread, qp(), completions);
    uint64_t memory[512];
    for (int i = 0; i < kRounds; ++i) ASSERT_STREQ(make_and_destroy(end, memory), nullptr);
    if (thread % 2 == 0) count_up(thread, qp(), completions);
  });
  expect_counted(completions);
}

TEST_P(ThreadsTest, AConsumerOfEventsMissesNothingThatOthersSend) {
  ibv_cq* cq = a().local().recv_cq();
  ibv_comp_channel* channel = a().local().channel();
  Completions completions(cq);
  std::vector<RecvWr> receives;
  for (size_t id = 0; id < kAll; ++id) receives.push_back(recv_wr(id));
  ASSERT_POSTED(a().post_recv(receives));
  ASSERT_EQ(ibv_req_notify_cq(cq, 0), 0);
  std::thread consumer([&] {
    while (completions.seen() < kAll) {
      pollfd fd{.fd = channel->fd, .events = POLLIN, .revents = 0};
      ASSERT_EQ(::poll(&fd, 1, Deadline().poll_timeout()), 1);
      void* context;
      ASSERT_EQ(ibv_get_cq_event(channel, &cq, &context), 0);
      ibv_ack_cq_events(cq, 1);
      ASSERT_EQ(ibv_req_notify_cq(cq, 0), 0);
      while (completions.poll() > 0) {
      }
    }
  });
  send_all();
  consumer.join();
  EXPECT_TRUE(completions.each_once());
  EXPECT_EQ(completions.failed(), 0u);
}

class MemoryThreadsTest : public ThreadsTest {
 protected:
  static constexpr size_t kPiece = 256 << 10;
  MemoryThreadsTest() { options.buffer = kThreads * kPiece; }
};

INSTANTIATE_TEST_SUITE_P(Both, MemoryThreadsTest, kRc, param_name);

TEST_P(MemoryThreadsTest, EachRegistersMovesMuchAndForgets) {
  Completions completions(send_cq());
  in_threads([&](size_t thread) {
    const uint64_t remote = at_b.buffer + thread * kPiece;
    for (uint64_t id = thread * kEach; id < thread * kEach + 20; id += 2) {
      Bytes memory(kPiece);
      fill_pattern(memory, id, 0);
      MrPtr region(ibv_reg_mr(a().local().pd(), memory.data(), memory.size(), kAllAccess));
      ASSERT_NE(region, nullptr);
      const Sges all = {{reinterpret_cast<uint64_t>(memory.data()), kPiece, region->lkey}};
      ASSERT_EQ(post(qp(), write_wr(id, all, remote, at_b.rkey)), 0);
      ASSERT_TRUE(completions.wait_for(id));
      std::fill(memory.begin(), memory.end(), 0);
      ASSERT_EQ(post(qp(), read_wr(id + 1, all, remote, at_b.rkey)), 0);
      ASSERT_TRUE(completions.wait_for(id + 1));
      ASSERT_EQ(find_mismatch(memory, id, 0), -1);
      ASSERT_EQ(ibv_dereg_mr(region.release()), 0);
    }
  });
  EXPECT_EQ(completions.failed(), 0u);
}

class SrqThreadsTest : public ThreadsTest {
 protected:
  SrqThreadsTest() { options.srq = true; }
};

INSTANTIATE_TEST_SUITE_P(Both, SrqThreadsTest, kRc, param_name);

TEST_P(SrqThreadsTest, ThreadsFillOneSrqAndShareItsCq) {
  ibv_srq* srq = a().local().srq();
  Completions completions(a().local().recv_cq());
  std::thread receivers([&] {
    in_threads([&](size_t thread) {
      for (uint64_t id = thread * kEach; id < (thread + 1) * kEach; ++id) {
        ibv_recv_wr receive{}, *bad;
        receive.wr_id = id;
        int rc = ENOMEM;
        ASSERT_TRUE(completions.poll_until([&] { return (rc = ibv_post_srq_recv(srq, &receive, &bad)) != ENOMEM; }));
        ASSERT_EQ(rc, 0);
      }
      EXPECT_TRUE(completions.wait_for_all());
    });
  });
  send_all();
  receivers.join();
  EXPECT_TRUE(completions.each_once());
  EXPECT_EQ(completions.failed(), 0u);
}

}  // namespace
}  // namespace vt
