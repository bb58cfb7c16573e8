// SPDX-License-Identifier: BSD-2-Clause
// Two processes' transports in one thread, joined by a fake fabric: each end has a lane, a channel to the other and one
// queue pair. Nothing happens unless the test lets it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <ostream>
#include <vector>

#include "base/clock.h"
#include "fabric/fake_endpoint.h"
#include "transport/channel.h"
#include "transport/connected_queue_pair.h"
#include "transport/lane.h"
#include "transport/memory.h"

namespace vb {

struct Completion {
  uint64_t wr_id;
  ibv_wc_status status;
  bool operator==(const Completion&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Completion& each) {
  return out << "{" << each.wr_id << ", "
             << "status " << static_cast<int>(each.status) << "}";
}

/// A control connection that only remembers.
struct FakeLink final : ChannelLink {
  void ring_doorbell() override {}
  void probe() override { ++probes; }
  bool unacknowledged() override { return dead; }
  void catch_up() override {}
  void suspect() override {}
  void channel_gone() override { gone = true; }
  int probes = 0;
  bool dead = false;
  bool gone = false;
};

/// Registered memory. Must not outlive its end's lane.
class Memory {
 public:
  Memory(Lane& lane, size_t size, unsigned access, unsigned char fill = 0);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  /// As ibv_dereg_mr, without waiting.
  void deregister();
  ibv_sge sge(size_t offset, size_t length) const;
  ibv_sge sge() const { return sge(0, bytes.size()); }
  uint64_t address() const { return reinterpret_cast<uint64_t>(bytes.data()); }

  std::vector<unsigned char> bytes;
  MemoryRegion* region;
  uint32_t lkey, rkey;

 private:
  Lane& lane_;
};

struct Wr {
  uint64_t wr_id = 0;
  ibv_wr_opcode opcode = IBV_WR_SEND;
  std::vector<ibv_sge> sges = {};
  uint64_t remote = 0;
  uint32_t rkey = 0;
  unsigned flags = IBV_SEND_SIGNALED;
  uint64_t compare_add = 0;
  uint64_t swap = 0;
};

struct EndOptions {
  fabric::Traits traits = fabric::strict_traits();
  fabric::FakeModes modes = {};
  ibv_qp_type type = IBV_QPT_RC;
};

class End final : public QueuePair::Listener, public CompletionQueue::Listener {
 public:
  End(unsigned char id, const EndOptions& options);
  ~End();

  void connect(End& other);
  /// Hands a work request to the send queue, and the lane.
  void post(const Wr& wr);
  void post_receive(uint64_t wr_id, const std::vector<ibv_sge>& sges);
  std::vector<Completion> sent() { return drain(send_cq); }
  std::vector<Completion> received() { return drain(recv_cq); }
  /// Takes every frame of the pool, so that nothing can be sent.
  void exhaust();
  void replenish();
  /// One pass, and the timers.
  size_t turn();
  void async_event(ibv_event_type type) override { events.push_back(type); }
  void completion_event() override {}
  void completion_delayed() override {}
  void overflow() override { ADD_FAILURE() << "a completion queue overflows"; }

  ProcessId id{};
  Lane lane;
  fabric::FakeEndpoint* endpoint;
  Rail* rail;
  FakeLink link;
  Channel* channel = nullptr;
  CompletionQueue send_cq, recv_cq;
  std::vector<ibv_event_type> events;
  int pd = 0;
  std::unique_ptr<ConnectedQueuePair> owned;
  ConnectedQueuePair& qp;

 private:
  static std::vector<Completion> drain(CompletionQueue& queue);
  std::vector<fabric::Frame*> taken_;
  uint64_t token_;
};

/// The fixture: `a` asks, `b` answers.
class TwoEnds : public testing::Test {
 public:
  explicit TwoEnds(const EndOptions& options = {}) : a(1, options), b(2, options) {
    a.connect(b);
    b.connect(a);
  }

  /// Passes on both sides until nothing happens any more.
  void settle();
  /// The same until `done()`; fails after some seconds.
  template <class Done>
  void until(Done done) {
    uint64_t limit = clock_ns() + 10 * kSecond;
    while (!done() && clock_ns() < limit) {
      a.turn();
      b.turn();
    }
    EXPECT_TRUE(done()) << "it does not come to pass";
  }

  End a, b;
};

}  // namespace vb
