// SPDX-License-Identifier: BSD-2-Clause
// The lane: everything that moves data in this process, serialised by one lock that nobody waits for on the data path.
// Who posts or polls tries the lock; who does not get it leaves its work on a list that the holder takes up before it
// is done (flat combining).
#pragma once

#include <sched.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <queue>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/list.h"
#include "base/spinlock.h"
#include "fabric/endpoint.h"
#include "transport/channel.h"
#include "transport/connected_queue_pair.h"
#include "transport/datagram_queue_pair.h"
#include "transport/memory.h"
#include "transport/persister.h"

namespace vb {

/// QPN: 12 bits slot, 12 bits index.
inline constexpr uint32_t kSlotBits = 12;
inline constexpr uint32_t kSlotCount = 1u << 12;
inline constexpr uint32_t kSlotSize = 1u << kSlotBits;

class Multicast;
class XrcStandIns;

/// How long a peer that lives may keep its hands on memory that the program wants back.
inline constexpr uint64_t kPatience = 5 * kSecond;

class Lane final : public fabric::Sink {
 public:
  /// Something besides the rails that brings work. Looked at in every pass, with the lock held.
  class Source {
   public:
    virtual size_t poll() = 0;

   protected:
    ~Source() = default;
  };

  Lane();
  ~Lane();

  // --- the data path ---
  /// WRs were posted: sends them, now or by whoever holds the lock.
  void kick(QueuePair& qp);
  /// Lane's lock held: runs the queue pair soon, but not from within what calls this.
  void revisit(QueuePair& qp);
  /// What polling does. Returns how much happened; 0 also when another thread is at it.
  size_t progress();
  /// A poll that found what somebody else had brought. If that was the helper, it should see that the program polls.
  void found() {
    if (helper_serves.load(std::memory_order_relaxed)) count_poll();
  }
  /// Somebody is making progress.
  bool busy() const { return lock_.held(); }

  // --- with the lock held ---
  /// Locks out everybody; for all that is not the data path.
  [[nodiscard]] std::unique_lock<Lane> hold() { return std::unique_lock<Lane>(*this); }
  void lock() { lock_.lock(); }
  bool try_lock() { return lock_.try_lock(); }
  void unlock();

  MemoryTable memory;
  Responder::Pool operations;

  void add(QueuePair& qp);
  void remove(QueuePair& qp);
  QueuePair* find(uint32_t qpn) const {
    const Slot* slot = slots_[(qpn >> kSlotBits) % kSlotCount].get();
    return slot ? slot->members[qpn % kSlotSize] : nullptr;
  }
  void open_slot(uint32_t slot);
  /// No queue pair is in it.
  void close_slot(uint32_t slot) { slots_[slot].reset(); }
  void add_source(Source& source) { sources_.push_back(&source); }

  /// SRQs that remote queue pairs name: those of XRC.
  void add(SharedReceiveQueue& srq) { srqs_[srq.number] = &srq; }
  void remove(SharedReceiveQueue& srq) { srqs_.erase(srq.number); }
  SharedReceiveQueue* find_srq(uint32_t number) const {
    auto found = srqs_.find(number);
    return found == srqs_.end() ? nullptr : found->second;
  }

  Channel& loopback() { return *loopback_; }
  Rail& add_rail(std::unique_ptr<fabric::Endpoint> endpoint);
  /// The rail's interface is gone: its channels end, and its endpoint leaves the fabric.
  void leave(Rail& rail);
  /// Frees the rails that were left and that no channel is on, but those in use elsewhere.
  template <class InUse>
  void free_left_rails(InUse in_use) {
    std::erase_if(rails_, [&](const auto& rail) { return rail->left && !in_use(*rail) && give_up(*rail); });
  }
  /// The lane owns the channel; it is deleted when it is dead and no queue pair is left on it.
  Channel& add_channel(Rail& rail, const Channel::Peer& peer, uint64_t token);
  /// A token for a channel to come: its index and something unguessable.
  uint64_t reserve_token();
  void release_token(uint64_t token) { free_tokens_.push_back(static_cast<uint16_t>(token & 0xffff)); }
  /// A channel to that process which a control connection with this path (Channel::Peer::path) would lead to as well.
  Channel* channel_of(const ProcessId& process, const std::string& path);

  /// One pass: fabric events, posted work, timers, acknowledgements. Returns how much happened.
  size_t pass();
  /// Passes until nothing happens any more.
  void drain();
  /// For who waits, off the data path, until an operation under way has ended: passes, and lets others have the lock.
  void pass_for_others(std::unique_lock<Lane>& guard);
  void tick(uint64_t now_ns);
  /// Passes, with the lock given away in between, until done(). Whoever holds it up has kPatience: then comes
  /// cut_off(), again and again.
  template <class Done, class CutOff>
  void wait(std::unique_lock<Lane>& guard, Done done, CutOff cut_off) {
    for (uint64_t limit = clock_ns() + kPatience; !done() && !closed();) {
      if (clock_ns() > limit) {
        cut_off();
        limit = clock_ns() + kPatience;
      }
      pass_for_others(guard);
    }
  }
  /// The device whose queue pairs these slots hold has gone: they go to ERR and flush, and the fabric's channels that
  /// they used end with them. Shared memory needs no device.
  void device_gone(const std::vector<uint32_t>& slots);
  /// QueuePair::cut_off for all queue pairs that use this memory region, memory window or SRQ.
  void cut_off(const void* object);
  /// Sends every acknowledgement that is owed.
  void settle();
  void settle_now() {
    settle();
    fail_overrun();
    flush_dirty();
  }
  bool outstanding() { return !outstanding_.empty(); }
  bool stalled() { return !stalled_.empty(); }
  /// A transfer has been handed over, of which finished() will tell.
  void transfer_begun() { ++transfers_; }
  bool transfers_under_way() const { return transfers_ != 0; }
  /// From here on what the helper would do later is done at once, and what needs it rouses it.
  void helper_goes_to_sleep();
  uint64_t next_deadline();
  const std::vector<std::unique_ptr<Rail>>& rails() const { return rails_; }
  /// The fabric objects go, and nothing moves any more (exit).
  void close();
  /// Any thread.
  bool closed() const { return closed_.load(std::memory_order_relaxed); }

  // --- what the transport tells ---
  void watch(QueuePair& qp) { outstanding_.push_back(qp); }
  void owe(ConnectedQueuePair& qp) { owing_.push_back(qp); }
  /// Its next request waits for completions of another queue.
  void gate(QueuePair& qp) { gated_.push_back(qp); }
  void late(DatagramQueuePair& qp) { late_.push_back(qp); }
  void dirty(Channel& channel) { dirty_.push_back(channel); }
  void stalled(Channel& channel);
  /// The first frame of a channel has come: what is held beside it goes.
  void heard(const Channel& from);
  /// Whether a frame has come on a channel beside this one.
  bool has_heard(const Channel& beside) const;
  void lost(Channel& channel) { lost_.push_back(&channel); }
  void drained(QueuePair& qp);
  void overran(QueuePair& qp) { overrun_.push_back(qp); }
  void start_timer(QueuePair& qp, uint64_t deadline_ns);
  /// A completion event waits for its moderation period.
  void delay_event(CompletionQueue& queue);
  static void answer_quiesce(Channel& channel, const wire::Packet& packet);

  void received(std::span<const unsigned char> frame) override;
  void released(fabric::Frame& frame, int error) override;
  void finished(fabric::Transfer& transfer, int error) override;

  /// Writes memory back to files, for persistent flushes.
  Persister& persister() { return persister_; }

  /// Frames that named no channel of ours: rejected, and counted.
  std::atomic<uint64_t> rejected{0};
  /// Counts polls by programs, so that the helper sees whether somebody polls.
  std::atomic<uint32_t> polls{0};
  /// Set by the helper while it takes the fabric's business to be its own.
  std::atomic<bool> helper_serves{false};
  /// Set by the helper while it sleeps until the fabric wakes it: what it would do later must be done now.
  std::atomic<bool> helper_sleeps{false};
  /// Completion queues that will wake a consumer: the helper keeps serving the fabric.
  std::atomic<int> armed{0};
  /// Wakes the helper. Set once, before the first queue pair.
  void (*nudge_helper)() = nullptr;
  /// Told that the peer of a queue pair is gone, with the lane's lock held. nullptr: nobody wants to know.
  void (*queue_pair_lost)(uint32_t qpn) = nullptr;
  /// Takes what comes by the loopback for a multicast group. Set once, likewise.
  Multicast* groups = nullptr;
  /// Takes requests to SRQs that another process hands on. Set once, likewise.
  XrcStandIns* stand_ins = nullptr;

 private:
  struct Slot {
    std::array<QueuePair*, kSlotSize> members{};
  };
  struct Timer {
    uint64_t deadline;
    uint32_t qpn;
    bool operator<(const Timer& other) const { return deadline > other.deadline; }
  };

  /// Several threads may lose counts of each other, never all of them.
  void count_poll() { polls.store(polls.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }
  void finish_kick(bool busy = false);
  void run_kicked();
  void flush_dirty();
  void pass_gates() {
    if (!gated_.empty()) [[unlikely]]
      open_gates();
  }
  void open_gates();
  void fail_overrun() {
    while (!overrun_.empty()) overrun_.pop_front().completion_lost();
  }
  bool give_up(const Rail& rail);
  void retry_stalled();
  void catch_up();
  void expire_timers();
  void expire_periods(uint64_t now_ns);
  void bury();
  void after_program_pass();
  void rouse_helper();

  Persister persister_;
  PoliteLock lock_;
  std::atomic<QueuePair*> kicked_{nullptr};
  std::atomic<bool> closed_{false};
  uint32_t passes_ = 0;
  uint32_t transfers_ = 0;
  uint32_t passes_beside_sleeper_ = 0;  ///< by the program, since the helper went to sleep
  std::array<std::unique_ptr<Slot>, kSlotCount> slots_;
  std::vector<std::unique_ptr<Rail>> rails_;
  std::vector<Source*> sources_;
  std::vector<std::unique_ptr<Channel>> channels_;  ///< by token index; nullptr: free or reserved
  std::vector<uint16_t> free_tokens_;
  std::vector<Channel*> lost_;
  bool burying_ = false;
  Channel* loopback_ = nullptr;
  List<QueuePair, OnOutstanding> outstanding_;
  List<ConnectedQueuePair, OnOwing> owing_;
  List<DatagramQueuePair, OnLate> late_;
  List<QueuePair, OnOverrun> overrun_;
  List<QueuePair, OnGated> gated_;
  List<Channel, OnDirty> dirty_;
  std::unordered_map<uint32_t, SharedReceiveQueue*> srqs_;
  std::vector<Channel*> stalled_;
  std::priority_queue<Timer> timers_;
  List<CompletionQueue, OnModerated> moderated_;  ///< completion queues whose event waits
};

}  // namespace vb
