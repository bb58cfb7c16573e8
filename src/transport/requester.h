// SPDX-License-Identifier: BSD-2-Clause
// The requester: sends a queue pair's WRs in order, and completes each when the responder's answer covers it.
// InfiniBand specification, chapter 9.9.2. Guarded by the lane's lock.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>

#include "transport/sequence.h"
#include "wire/packet.h"

namespace vb {

class Channel;
class ConnectedQueuePair;
struct SendWqe;

class Requester {
 public:
  explicit Requester(ConnectedQueuePair& qp) : qp_(qp) {}

  /// Sends what may be sent now.
  void run();
  /// The responder has done every request before `msn`.
  void acknowledged(uint32_t msn);
  void read_response(const wire::Packet& packet);
  void atomic_response(const wire::Packet& packet);
  void refused(const wire::Packet& packet);
  void quiesced();
  /// A retry timer has run down.
  void resume();
  /// Called every tick while sends are outstanding: fails them when the retry budget is spent and the path is dead.
  void tick(uint64_t now_ns);

  /// Takes a failure over (ERR): the oldest WR will complete with `first`, the others flush.
  void fail(ibv_wc_status first, uint32_t vendor_error);
  /// Completes everything, unless the peer may still reach into our memory.
  void flush();
  /// The peer is gone: it reaches into nothing any more.
  void peer_gone();
  /// No WR's memory is exposed to the peer.
  bool quiet() const { return exposed_ == 0; }
  bool busy() const { return exposed_ >= kManyExposed; }
  /// Every WR sent is done.
  bool drained() const;
  /// Of the next request.
  uint32_t next_msn() const { return next_msn_; }
  /// The next request does not wait for another queue's completions.
  bool may_pass();
  /// No WR waits at all.
  bool idle() const;
  void reset();
  void restart_budgets();
  /// Nothing new is sent while it is paused. What was sent goes on.
  void pause(bool on) { paused_ = on; }
  void restart_clock() { stalled_since_ = 0; }

 private:
  static constexpr uint32_t kManyExposed = 8;

  /// kGated: the lane looks again when something has completed.
  enum class Sent { kYes, kLater, kGated, kBad };

  uint32_t end() const;
  bool may_start(const SendWqe& wqe) const;
  Sent execute_local(SendWqe& wqe);
  bool execute_fill(SendWqe& wqe);
  Sent execute_crossing(SendWqe& wqe);
  Sent transmit(SendWqe& wqe);
  Sent send_data(SendWqe& wqe);
  Sent send_read(SendWqe& wqe);
  Sent send_atomic(SendWqe& wqe);
  Sent send_masked_atomic(SendWqe& wqe);
  Sent send_atomic_write(SendWqe& wqe);
  Sent send_flush(SendWqe& wqe);
  Sent put_inline(SendWqe& wqe, wire::Kind kind);
  Sent put_indirect(SendWqe& wqe, wire::Kind kind, unsigned exposure);
  unsigned char* begin(const SendWqe& wqe, wire::Kind kind, uint8_t flags, size_t body);
  void put_xrc(const SendWqe& wqe, unsigned char* at);
  size_t extension_size() const;
  size_t eager_limit() const;
  void complete(SendWqe& wqe, ibv_wc_status status, uint32_t vendor_error);
  bool scatter(SendWqe& wqe, const unsigned char* data, size_t size);
  bool ask_to_quiesce(Channel& channel);
  void forsake();
  void fail_oldest(ibv_wc_status status);
  void lose();
  void conceal(SendWqe& wqe);
  void conceal_first(SendWqe& wqe, uint32_t count);
  bool stage(SendWqe& wqe);
  bool unstage(SendWqe& wqe);
  static void unstage_memory(SendWqe& wqe);
  void answered(uint32_t msn);
  void retire();
  void rewind(uint32_t msn);
  void refused_not_ready(const wire::Packet& packet);
  void give_back(uint32_t msn);
  void refused_not_connected(const wire::Packet& packet);
  void start_timer(uint64_t delay_ns);
  SendWqe* outstanding(uint32_t msn);
  uint64_t budget_ns() const;

  ConnectedQueuePair& qp_;
  uint32_t next_ = 0;     ///< ring index of the next WR to send
  uint32_t started_ = 0;  ///< ring index behind the last WR that was ever sent: after a NAK, next_ goes back
  uint32_t next_msn_ = 0;
  uint32_t acked_ = 0;    ///< every msn before this one is done
  uint32_t reads_ = 0;    ///< READs and atomics outstanding
  uint32_t exposed_ = 0;  ///< WRs whose memory the peer may reach into
  uint8_t round_ = 0;     ///< how often something was sent again
  uint8_t rnr_left_ = 0;
  uint8_t retries_left_ = 0;
  bool waiting_ = false;       ///< for the retry timer
  bool retry_counts_ = false;  ///< the timer's end costs a retry
  bool halted_ = false;        ///< the WR at next_ is bad: stop there
  bool paused_ = false;        ///< the path is about to change
  bool quiescing_ = false;     ///< asked the peer to let go
  ibv_wc_status first_status_ = IBV_WC_WR_FLUSH_ERR;
  uint32_t first_vendor_error_ = 0;
  uint32_t tick_mark_ = 0;
  uint64_t stalled_since_ = 0;
};

}  // namespace vb
