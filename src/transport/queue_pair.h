// SPDX-License-Identifier: BSD-2-Clause
// A queue pair's transport: its state, its path, a requester and a responder. Everything but the two queues' producer
// sides is guarded by the lane's lock.
#pragma once

#include <infiniband/verbs.h>

#include <array>
#include <atomic>
#include <vector>

#include "base/list.h"
#include "transport/completion_queue.h"
#include "transport/receive_queue.h"
#include "transport/requester.h"
#include "transport/responder.h"
#include "transport/send_queue.h"
#include "wire/packet.h"

namespace vb {

class Channel;
class Lane;
class Route;

// Lists that a queue pair can be on.
struct OnOutstanding;  ///< has sends that are not done: the lane's tick watches it
struct OnOwing;        ///< owes its peer an acknowledgement
struct OnStalled;      ///< waits for room in its channel
struct OnChannel;      ///< belongs to a channel
struct OnRoute;        ///< waits for a route to be found

/// What the requester and the responder need to know, as ibv_modify_qp sets it.
struct PathAttributes {
  uint32_t dest_qpn = 0;
  uint8_t timeout = 0;  ///< 4.096 us * 2^timeout; 0: infinite
  uint8_t retry_count = 0;
  uint8_t rnr_retry = 0;  ///< 7: infinite
  uint8_t min_rnr_timer = 0;
  uint8_t max_rd_atomic = 0;
  uint8_t max_dest_rd_atomic = 0;
  unsigned access = 0;  ///< qp_access_flags
};

class QueuePair : public ListNode<QueuePair, OnOutstanding>,
                  public ListNode<QueuePair, OnOwing>,
                  public ListNode<QueuePair, OnStalled>,
                  public ListNode<QueuePair, OnChannel>,
                  public ListNode<QueuePair, OnRoute> {
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
    CompletionQueue* send_cq = nullptr;
    CompletionQueue* recv_cq = nullptr;
    ReceiveQueue* shared_receives = nullptr;  ///< an SRQ's, or nullptr
    bool signal_all = false;
  };

  QueuePair() : requester(*this), responder(*this) {}

  Config config;
  uint32_t qpn = 0;
  SendQueue send_queue;
  ReceiveQueue receive_queue;
  PathAttributes path;
  Requester requester;
  Responder responder;

  bool connected_transport() const { return config.type == IBV_QPT_RC || config.type == IBV_QPT_UC; }
  bool reliable() const { return config.type == IBV_QPT_RC; }
  ReceiveQueue& receives() { return config.shared_receives ? *config.shared_receives : receive_queue; }

  ibv_qp_state state() const { return state_.load(std::memory_order_acquire); }
  void set_state(ibv_qp_state state) { state_.store(state, std::memory_order_release); }
  bool can_receive() const {
    return state() == IBV_QPS_RTR || state() == IBV_QPS_RTS || state() == IBV_QPS_SQD || state() == IBV_QPS_SQE;
  }

  /// Into ERR: `first` is the status of the oldest send WR, IBV_WC_WR_FLUSH_ERR when nothing in particular failed.
  void fail(ibv_wc_status first, uint32_t vendor_error = 0);
  /// In ERR: completes every WR that no peer and no transfer holds any more. Called again when one lets go.
  void flush();
  /// Nothing of the fabric or the peer touches this queue pair's memory.
  bool quiet() const { return requester.quiet() && responder.quiet(); }
  /// Forgets everything (RESET). Must be quiet.
  void reset();

  /// The peer process is gone. `crashed`: a queue pair that was connected to it fails even when it waits for nothing.
  void peer_gone(bool crashed);

  /// A packet from the channel's peer that names this queue pair.
  void receive(Channel& from, const wire::Packet& packet);
  /// The channel to the peer stands (or is gone: nullptr, with what came early dropped).
  void bind(Channel* channel);
  Channel* channel() const { return channel_; }
  Route* route = nullptr;
  bool mute = false;                ///< on its way out: completions and events go nowhere
  uint64_t timer_deadline = 0;      ///< of the requester's timer
  bool drain_event_owed = false;    ///< SQD: tell when the sends are done
  std::atomic<bool> kicked{false};  ///< on the lane's list of posted work
  QueuePair* next_kicked = nullptr;

 private:
  void park(Channel& from, const wire::Packet& packet);
  void flush_receives();
  friend class Lane;

  std::atomic<ibv_qp_state> state_{IBV_QPS_RESET};
  Channel* channel_ = nullptr;
  bool last_wqe_told_ = false;
  /// Packets of a peer whose route is still being looked up here.
  struct Early {
    std::array<unsigned char, 16> process;
    std::vector<unsigned char> bytes;
  };
  std::vector<Early> early_;
};

}  // namespace vb
