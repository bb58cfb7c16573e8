// SPDX-License-Identifier: BSD-2-Clause
// Puts frames into posted receives: of a raw packet queue pair, or of a work queue; and a table that spreads them.
#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <vector>

#include "transport/completion_queue.h"
#include "transport/flow_table.h"
#include "transport/receive_queue.h"
#include "transport/toeplitz.h"

namespace vb {

class Lane;

/// Lane's lock held.
class RawReceiver final : public FrameTarget {
 public:
  /// Told when a receive has failed: what owns the queue goes to its error state.
  class Owner {
   public:
    virtual bool receives_frames() const = 0;
    virtual void receive_failed() = 0;

   protected:
    ~Owner() = default;
  };
  struct Config {
    Lane* lane = nullptr;
    Owner* owner = nullptr;
    ReceiveQueue* queue = nullptr;
    CompletionQueue* cq = nullptr;
    const void* pd = nullptr;
    uint32_t number = 0;  ///< qp_num of its completions
    bool strips_vlan = false;
    bool delays_drop = false;  ///< frames that find no receive wait for one
  };
  static constexpr size_t kMostDelayed = 256;  ///< frames that wait: more are dropped

  Config config;
  /// Frames that found no receive posted, or a queue that takes none (before RTR, after an error). The log says so of
  /// the first, and how many when the queue goes.
  uint64_t dropped = 0;

  RawReceiver() = default;
  ~RawReceiver();
  RawReceiver(const RawReceiver&) = delete;
  RawReceiver& operator=(const RawReceiver&) = delete;
  void deliver(const ether::Frame& frame, const FrameInfo& info) override;
  /// Receives were posted: frames that wait get them. Lane's lock held.
  void catch_up();
  /// Whether some wait. Any thread.
  bool is_behind() const { return behind_.load(std::memory_order_acquire); }
  /// Frames that wait are dropped.
  void forget();
  /// Completes all that is posted with a flush error.
  void flush();

 private:
  struct Delayed {
    std::vector<unsigned char> bytes;
    FrameInfo info;
  };
  void take(const ether::Frame& frame, const FrameInfo& info);
  void drop();
  bool delay(const ether::Frame& frame, const FrameInfo& info);
  ibv_wc_status fill(const ReceiveWqe& wqe, std::span<const unsigned char> bytes, size_t tag_at);

  std::deque<Delayed> delayed_;
  std::atomic<bool> behind_{false};
};

/// An indirection table and its hash.
class RawSpreader final : public FrameTarget {
 public:
  std::array<unsigned char, kToeplitzKey> key{};
  uint64_t fields = 0;
  std::vector<RawReceiver*> table;  ///< a power of two

  void deliver(const ether::Frame& frame, const FrameInfo& info) override {
    table[receive_hash(key, fields, frame) & (table.size() - 1)]->deliver(frame, info);
  }
};

}  // namespace vb
