// SPDX-License-Identifier: BSD-2-Clause
// The transport of a queue pair that is connected to one peer (RC, UC): its path, a requester and a responder.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "transport/queue_pair.h"
#include "transport/rendezvous.h"
#include "transport/requester.h"
#include "transport/responder.h"

namespace vb {

class Route;
class XrcRelay;

// Lists that a connected queue pair can be on.
struct OnOwing;    ///< owes its peer an acknowledgement
struct OnChannel;  ///< belongs to a channel
struct OnRoute;    ///< waits for a route to be found

class ConnectedQueuePair : public QueuePair,
                           public ListNode<ConnectedQueuePair, OnOwing>,
                           public ListNode<ConnectedQueuePair, OnChannel>,
                           public ListNode<ConnectedQueuePair, OnRoute> {
 public:
  ConnectedQueuePair();

  Requester requester;
  Responder responder;
  ~ConnectedQueuePair() override;

  std::unique_ptr<Rendezvous> rendezvous;  ///< for a queue pair on a tag-matching SRQ
  std::unique_ptr<XrcRelay> own_relay;     ///< of an XRC target
  XrcRelay* relay = nullptr;               ///< the same; or of a relay's initiator, whose it is
  Route* route = nullptr;

  bool reliable() const { return config.type != IBV_QPT_UC; }
  /// What completions call it.
  uint32_t reported_qpn() const { return config.on_behalf_of ? config.on_behalf_of : qpn; }
  bool is_xrc_target() const { return config.type == IBV_QPT_XRC_RECV; }
  ConnectedQueuePair* connected() override { return this; }

  /// The channel to the peer stands (or is gone: nullptr, with what came early dropped).
  void bind(Channel* channel);
  Channel* channel() const { return channel_; }
  /// A DC initiator that waits for nothing has lost no peer.
  virtual bool lets_go() { return false; }
  /// The peer process is gone. `crashed`: a queue pair that was connected to it fails even when it waits for nothing.
  void peer_gone(bool crashed);

  void run() override {
    if (rendezvous) rendezvous->post();
    if (own_relay) return responder.advance();
    requester.run();
  }
  void receive(Channel& from, const wire::Packet& packet) override;
  void room_again() override;
  bool may_pass() override { return requester.may_pass(); }
  void timer_expired() override { requester.resume(); }
  void tick(uint64_t now_ns) override;
  void start() override;
  bool drained() const override { return requester.drained(); }
  void flush() override;
  bool quiet() const override;
  bool busy() const override { return requester.busy(); }
  bool uses(const void* object) const override { return responder.uses(object); }
  void cut_off() override;
  void reset() override;
  void detach() override;

 protected:
  void stop(ibv_wc_status first, uint32_t vendor_error) override;

 private:
  void park(Channel& from, const wire::Packet& packet);
  void established();

  Channel* channel_ = nullptr;
  bool established_ = false;  ///< told so, in RTR
  /// Packets of a peer whose route is still being looked up here.
  struct Early {
    std::array<unsigned char, 16> process;
    std::vector<unsigned char> bytes;
  };
  std::vector<Early> early_;
};

}  // namespace vb
