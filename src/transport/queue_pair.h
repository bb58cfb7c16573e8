// SPDX-License-Identifier: BSD-2-Clause
// A queue pair's transport: the queues, the state, and what the lane, a channel and the verbs object ask of every kind
// of queue pair. ConnectedQueuePair is the one of RC and UC. Everything but the two queues' producer sides is guarded
// by the lane's lock.
#pragma once

#include <infiniband/verbs.h>

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>

#include "base/list.h"
#include "transport/comp_counter.h"
#include "transport/completion_queue.h"
#include "transport/memory.h"
#include "transport/receive_queue.h"
#include "transport/send_queue.h"
#include "transport/shared_receive_queue.h"
#include "wire/packet.h"

namespace vb {

class Channel;
class ConnectedQueuePair;
class Lane;

// Lists that every queue pair can be on.
struct OnOutstanding;  ///< the lane's tick watches it, because something of it is not done
struct OnStalled;      ///< waits for room in a channel
struct OnOverrun;      ///< a completion of it found no room
struct OnGated;        ///< its next request waits for completions of another queue

/// What the transport needs to know of what ibv_modify_qp has set.
struct PathAttributes {
  uint32_t dest_qpn = 0;
  uint8_t timeout = 0;  ///< 4.096 us * 2^timeout; 0: infinite
  uint8_t retry_count = 0;
  uint8_t rnr_retry = 0;  ///< 7: infinite
  uint8_t min_rnr_timer = 0;
  uint8_t max_rd_atomic = 0;
  uint8_t max_dest_rd_atomic = 0;
  unsigned access = 0;  ///< qp_access_flags
  uint32_t qkey = 0;
};

class QueuePair : public ListNode<QueuePair, OnOutstanding>,
                  public ListNode<QueuePair, OnStalled>,
                  public ListNode<QueuePair, OnOverrun>,
                  public ListNode<QueuePair, OnGated> {
 public:
  /// Told under the lane's lock: must not block nor call back into the transport.
  class Listener {
   public:
    virtual void async_event(ibv_event_type type) = 0;

   protected:
    ~Listener() = default;
  };

  struct Config {
    Lane* lane = nullptr;
    Listener* listener = nullptr;
    ibv_qp_type type = IBV_QPT_RC;
    const void* pd = nullptr;
    const void* receive_pd = nullptr;  ///< of receive WRs: an SRQ has its own
    CompletionQueue* send_cq = nullptr;
    CompletionQueue* recv_cq = nullptr;
    SharedReceiveQueue* shared_receives = nullptr;  ///< an SRQ, or nullptr
    bool signal_all = false;
    const XrcDomain* domain = nullptr;  ///< of an XRC target, and of its relay's initiators
    uint32_t on_behalf_of = 0;          ///< of one that hands requests on: the XRC target that they were sent to
  };

  virtual ~QueuePair() = default;

  Config config;
  uint32_t qpn = 0;
  SendQueue send_queue;
  ReceiveQueue receive_queue;
  PathAttributes path;
  List<MemoryWindow, OnQueuePair> windows;  ///< of type 2, bound to it
  bool mute = false;                        ///< on its way out: completions and events go nowhere
  bool drain_event_owed = false;            ///< SQD: tell when the sends are done
  uint64_t timer_deadline = 0;              ///< of Lane::start_timer
  std::atomic<bool> kicked{false};          ///< on the lane's list of posted work
  QueuePair* next_kicked = nullptr;
  std::unique_ptr<AttachedCounters> counters;  ///< nullptr: none, as with most

  /// Completes to a queue. If it overflows, this queue pair fails as soon as nobody is at work in it.
  void complete(CompletionQueue& queue, const Cqe& cqe, bool solicited) {
    count(cqe);
    if (!queue.push(cqe, solicited)) [[unlikely]]
      overran();
  }
  /// A completion queue has no room for what is done here. InfiniBand specification, 11.6.3.1.
  void completion_lost();

  /// A completion that no queue is told of, because it was not asked for: it counts all the same.
  void count(const Cqe& cqe) const {
    if (counters) counters->count(counted(cqe.opcode), cqe.status == IBV_WC_SUCCESS, cqe.byte_len);
  }
  /// The peer has read or written `length` bytes here, or was refused.
  void count_remote(bool read, bool success, uint64_t length) const {
    if (counters) counters->count(read ? Counted::kRemoteRead : Counted::kRemoteWrite, success, length);
  }
  ReceiveQueue& receives() { return config.shared_receives ? *config.shared_receives : receive_queue; }
  ibv_qp_state state() const { return state_.load(std::memory_order_acquire); }
  void set_state(ibv_qp_state state) { state_.store(state, std::memory_order_release); }
  bool can_receive() const {
    return state() == IBV_QPS_RTR || state() == IBV_QPS_RTS || state() == IBV_QPS_SQD || state() == IBV_QPS_SQE;
  }
  /// This one, if it is of a kind that is connected to a peer.
  virtual ConnectedQueuePair* connected() { return nullptr; }

  // --- what the lane and the channels tell ---
  /// WRs were posted, or may be sent now: sends what can be sent.
  virtual void run() = 0;
  /// A packet that names this queue pair has come from the channel's peer.
  virtual void receive(Channel& from, const wire::Packet& packet) = 0;
  /// The channel that it waited for (Channel::wait) has room again.
  virtual void room_again() { run(); }
  /// What it waited for (Lane::gate) has happened.
  virtual bool may_pass() { return true; }
  /// The timer (Lane::start_timer) has run down.
  virtual void timer_expired() {}
  /// Called every tick while it is watched (Lane::watch).
  virtual void tick(uint64_t) {}

  // --- what the verbs object asks ---
  /// RTS is entered: the send queue starts.
  virtual void start() { run(); }
  /// Every WR sent is done.
  virtual bool drained() const = 0;
  /// Into ERR: `first` is the status of the oldest send WR, IBV_WC_WR_FLUSH_ERR when nothing in particular failed.
  void fail(ibv_wc_status first, uint32_t vendor_error = 0);
  /// In ERR: completes every WR that no peer and no transfer holds any more. Called again when one lets go.
  virtual void flush() = 0;
  /// Nothing of the fabric or a peer touches this queue pair's memory.
  virtual bool quiet() const { return true; }
  /// So much is under way that what comes next need not be announced at once.
  virtual bool busy() const { return false; }
  /// An operation under way, asked for by the peer, uses this memory region, memory window or SRQ.
  virtual bool uses(const void*) const { return false; }
  /// The peer, or the fabric, does not let go of this queue pair's memory: the path to the peer ends. Called again: a
  /// transfer that has not ended with it is left behind.
  virtual void cut_off() {}
  /// Forgets everything (RESET). Must be quiet.
  virtual void reset();
  /// Leaves channels, routes and lists.
  virtual void detach();

  // --- what every kind is made of ---
  /// Ends the oldest send WR. Its slot is free before the completion shows: who
  /// polls it may post at once.
  void complete_send(const SendWqe& wqe, ibv_wc_status status, uint32_t vendor_error);
  /// Finds the regions of a WR's SGEs, and notes them in it (SendWqe::exposed).
  /// False: one of them grants no access.
  bool resolve_sges(SendWqe& wqe, unsigned access);
  /// Copies what a resolved WR sends to `at`. False: some of it is not there.
  bool gather(SendWqe& wqe, unsigned char* at) const;
  /// Copies the parts, one after the other, to where a receive WR wants them.
  /// LOC_LEN_ERR: it has too little room. LOC_PROT_ERR: an SGE that is needed
  /// leads nowhere. Then nothing is copied.
  ibv_wc_status scatter(const ReceiveWqe& receive, std::initializer_list<std::span<const unsigned char>> parts);

 protected:
  /// The part of fail() that depends on the kind: stops everything, and flushes when nothing moves any more.
  virtual void stop(ibv_wc_status first, uint32_t vendor_error) = 0;
  void flush_receives();
  void overran();

 private:
  std::atomic<ibv_qp_state> state_{IBV_QPS_RESET};
  bool last_wqe_told_ = false;
};

}  // namespace vb
