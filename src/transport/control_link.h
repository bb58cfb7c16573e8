// SPDX-License-Identifier: BSD-2-Clause
// A control connection: finds out who the peer is, agrees on a fabric, and then is the sign of life. Lane's lock held.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/list.h"
#include "transport/channel.h"
#include "transport/pollable.h"
#include "wire/control.h"

namespace vb {

class Route;
class Router;

class ControlLink final : public Pollable, public ChannelLink, public ListNode<ControlLink> {
 public:
  /// `route`: what wants the connection; nullptr for one that a peer has made.
  ControlLink(Router& router, Fd socket, Route* route);
  ~ControlLink();

  void ready(uint32_t events) override;
  bool established() const { return channel_ != nullptr; }
  bool on(const Rail& rail) const { return rail_ == &rail; }
  /// The handshake has taken too long.
  bool late(uint64_t now_ns) const { return !established() && now_ns > deadline_ns_; }
  bool initiated() const { return initiator_; }
  bool expired() const { return deadline_ns_ == 0; }
  /// Makes it go: the hang-up that follows discards it.
  void expire();
  void give_up() { close("the handshake takes too long"); }
  void say_goodbye();

  void ring_doorbell() override { send(wire::Control::kDoorbell, nullptr, 0); }
  void probe() override;
  bool unacknowledged() override;
  void catch_up() override;
  void suspect() override { suspect_ = true; }
  bool suspected() const { return suspect_; }
  void channel_gone() override;

 private:
  enum class State { kConnecting, kHello, kOffer, kUp, kClosed };

  void connected();
  void send_hello();
  void send(wire::Control type, const void* body, size_t size);
  void write_out();
  void read_in();
  bool parse();
  bool handle(wire::Control type, const unsigned char* body);
  bool handle_hello(const wire::Hello& hello);
  bool proven(const wire::Hello& hello);
  bool proven(const wire::Offer& offer);
  void refuse();
  wire::Proof prove(wire::Place place, const wire::Hello& initiator, const wire::Hello& acceptor) const;
  wire::Proof prove(wire::Place place, const wire::Offer& offer) const;
  bool handle_offer(const wire::Offer& offer);
  bool accept_offer(const wire::Offer& offer);
  const char* obstacle_to_sharing(const wire::Offer& offer);
  bool handle_count(wire::Control type, const wire::Count& count);
  void send_count(wire::Control type);
  bool send_offer(wire::Path path);
  std::string path() const;
  bool same_host() const;
  bool begins_connections() const;
  bool names_another_host(const wire::Offer& offer) const;
  bool establish(const wire::Offer& offer);
  void close(const char* reason);
  void watch(bool writing);
  void unlink_endpoint_file();
  bool sent_is_taken() const;

  Router& router_;
  Fd socket_;
  Route* route_;
  bool initiator_;
  State state_;
  bool goodbye_ = false;
  bool suspect_ = false;  ///< the peer may have been killed
  bool watching_writes_ = false;
  uint64_t deadline_ns_;
  uint64_t probed_at_ns_ = 0;  ///< what was sent then is not acknowledged yet; 0: nothing is
  wire::Hello own_{};          ///< as it was sent
  wire::Hello peer_{};
  wire::Path offered_ = wire::Path::kFabric;
  uint64_t token_ = 0;
  bool token_reserved_ = false;
  Rail* rail_ = nullptr;
  PresencePage* presence_ = nullptr;
  std::optional<fabric::Peer> reached_;  ///< the peer by shared memory, while no channel has it
  Channel* channel_ = nullptr;
  std::string endpoint_file_;
  std::vector<unsigned char> in_;
  std::vector<unsigned char> out_;
};

}  // namespace vb
