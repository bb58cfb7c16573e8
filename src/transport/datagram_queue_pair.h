// SPDX-License-Identifier: BSD-2-Clause
// The transport of an unreliable datagram queue pair: no peer of its own, no answers. A send is complete when the
// datagram is in a frame, on its way to the process behind (address handle, QPN), or given up.
#pragma once

#include <atomic>
#include <deque>
#include <vector>

#include "transport/queue_pair.h"

namespace vb {

class Channel;
class Route;
class Router;

struct OnLate;  ///< holds datagrams that came faster than the program could post
                ///< receives

class DatagramQueuePair final : public QueuePair, public ListNode<DatagramQueuePair, OnLate> {
 public:
  DatagramQueuePair(Router& router, std::atomic<uint32_t>& qkey_violations)
      : router_(router), qkey_violations_(qkey_violations) {}

  void run() override;
  void receive(Channel& from, const wire::Packet& packet) override;
  void tick(uint64_t now_ns) override;
  bool drained() const override { return true; }  // What is sent is done.
  void flush() override;
  void reset() override;
  void detach() override;

  /// IBV_QP_CREATE_BLOCK_SELF_MCAST_LB: what it sends to a group that it is attached to does not come back.
  bool blocks_own_multicasts = false;
  /// IBV_QP_CREATE_SOURCE_QPN: the number that receivers see as the sender's, and answer to. 0: its own.
  uint32_t source_qpn = 0;

  /// A whole datagram, whatever brought it.
  void arrive(const wire::Packet& packet);
  /// A pass begins: the program may have posted receives for what is late.
  void catch_up();

 protected:
  void stop(ibv_wc_status first, uint32_t vendor_error) override;

 private:
  enum class Sent { kYes, kLost, kLater, kFault };

  struct Late {
    wire::PacketHeader header;
    wire::DatagramHeader datagram;
    std::vector<unsigned char> payload;
  };

  ibv_wc_status check(SendWqe& wqe);
  Sent send(SendWqe& wqe);
  Sent put(Channel& channel, SendWqe& wqe);
  Sent send_to_group(SendWqe& wqe);
  wire::PacketHeader header_of(const SendWqe& wqe) const;
  wire::DatagramHeader datagram_of(const SendWqe& wqe) const;
  Sent look_up(Route& route);
  void copy_waiting();
  bool copied(const SendWqe& wqe) const;
  bool read_out(SendWqe& wqe, unsigned char* at) const;
  bool waited_longer_than(uint64_t patience_ns);
  void finish(SendWqe& wqe, ibv_wc_status status, uint32_t vendor_error = 0);
  void fail_sends(ibv_wc_status status);

  void deliver(const wire::Packet& packet);
  void complete_receive(const ReceiveWqe& receive, const wire::Packet& packet, ibv_wc_status status);
  void keep(const wire::Packet& packet);
  void drop_late();

  Router& router_;
  std::atomic<uint32_t>& qkey_violations_;
  uint64_t waits_since_ns_ = 0;  ///< the oldest WR waits for its route or for room; 0: it does not
  /// What WRs say that wait for a route, from the oldest on; empty where there is nothing to copy. An adapter has read
  /// a datagram soon after it was posted, and programs reuse its memory when the answer comes, not the completion.
  std::deque<std::vector<unsigned char>> copies_;
  size_t copied_bytes_ = 0;
  ibv_wc_status first_status_ = IBV_WC_WR_FLUSH_ERR;
  uint32_t first_vendor_error_ = 0;
  std::deque<Late> late_;
  size_t late_bytes_ = 0;
};

}  // namespace vb
