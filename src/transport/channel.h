// SPDX-License-Identifier: BSD-2-Clause
// A channel: the path to one peer process that all queue pairs between the two share. Guarded by the lane's lock.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/list.h"
#include "fabric/endpoint.h"
#include "transport/connected_queue_pair.h"
#include "transport/rail.h"
#include "wire/packet.h"

namespace vb {

class Lane;
struct PresencePage;

/// A process's name for itself, random at its start.
using ProcessId = std::array<unsigned char, 16>;

/// What a channel needs of the control connection that made it.
class ChannelLink {
 public:
  virtual void ring_doorbell() = 0;
  /// Sends something that the peer's host must acknowledge, unless such is under way.
  virtual void probe() = 0;
  /// Something sent long ago has not been acknowledged by the peer's host.
  virtual bool unacknowledged() = 0;
  /// Takes what the peer has said and nobody has read yet: perhaps its goodbye, or its end.
  virtual void catch_up() = 0;
  /// A transfer has failed: the peer may be about to end.
  virtual void suspect() = 0;
  /// The channel has ended for another reason than the connection.
  virtual void channel_gone() = 0;

 protected:
  ~ChannelLink() = default;
};

struct OnDirty;
struct OnChannelRoutes;

class Channel : public ListNode<Channel, OnDirty> {
 public:
  struct Peer {
    ProcessId process{};
    fabric::Peer address = 0;
    uint64_t token = 0;                ///< the peer's name for this channel: its frames begin with it
    PresencePage* presence = nullptr;  ///< the peer's page, when it shares memory with us
    ChannelLink* link = nullptr;       ///< nullptr for loopback
    std::string path;                  ///< both hosts' addresses; empty where they do not matter (shared memory)
  };

  Channel(Lane& lane, Rail& rail, const Peer& peer);
  ~Channel();

  fabric::Endpoint& endpoint() { return *rail_.endpoint; }
  fabric::Peer peer() const { return peer_.address; }
  bool same_peer(const Channel& other) const { return this == &other || peer_.process == other.peer_.process; }
  const ProcessId& process() const { return peer_.process; }
  const std::string& path() const { return peer_.path; }
  bool alive() const { return alive_; }
  bool unused() { return !alive_ && members_.empty(); }
  /// Frames that the fabric still has.
  uint32_t frames_out() const { return frames_out_; }

  /// The largest payload that travels inside a request or an answer.
  size_t eager_limit() const { return eager_limit_; }
  /// The largest packet.
  size_t frame_room() const { return rail_.endpoint->traits().frame_size - sizeof(wire::FrameHeader); }

  enum class Use { kRequest, kAnswer };
  /// Room for a packet of `size` bytes at the end of the frame being filled, or nullptr: then wait(). Requests leave
  /// the last frames to answers, so that two sides that are full of requests cannot block each other.
  unsigned char* begin(size_t size, Use use);
  /// Of what begin() gave last: nothing is sent. At once, before anything else happens here.
  void take_back() { current_->size = before_last_; }
  /// The queue pair is taken up again when there is room.
  void wait(QueuePair& qp);
  /// Sends a packet that is a header only, and that no queue pair here keeps: what finds no room waits for it. One for
  /// which there is no place either ends the channel, because the peer would wait for ever.
  void answer(const wire::PacketHeader& header);
  /// Sends the frame being filled.
  void flush();
  /// Sends nothing until a frame of that process has come, on whatever channel. Some providers lose frames when both
  /// ends connect to each other at once, so one end begins.
  void hold() { held_ = true; }
  void let_go();
  bool heard() const { return next_received_ != 0; }
  bool on(const Rail& rail) const { return &rail_ == &rail; }
  /// Over the same connection of the fabric.
  bool beside(const Channel& other) const { return &rail_ == &other.rail_ && process() == other.process(); }
  /// Sends an empty frame: the peer holds its own until then.
  void begin_connection();
  /// Sends what the fabric would not take before, and takes up who waits for room.
  void retry();
  bool stalled() { return !held_ && (backlog_ != nullptr || !stalled_.empty() || !orphans_.empty() || must_begin_); }
  void released(fabric::Frame& frame, int error);
  /// A transfer was handed to the fabric: a sleeping peer may have to help.
  void moved() { wake_peer(); }

  /// Whether a frame with this number is the next one. False: the fabric has lost what came before, the channel ends.
  bool in_sequence(uint32_t sequence);
  /// How many frames the fabric has taken.
  uint32_t frames_sent() const { return frames_sent_; }
  /// The peer says how many frames it has given to the fabric. Some that do not come although it says so again and
  /// again are lost, and nothing behind them would show it: the channel ends.
  void expect(uint32_t frames, uint64_t now_ns);

  /// A datagram that needs two packets. True: it is complete, and `packet` is
  /// all of it (until the next call).
  bool assemble(wire::Packet& packet);

  void attach(ConnectedQueuePair& qp);
  /// A route that leads here; it forgets when the channel dies.
  void add_route(Route& route);
  /// The peer is gone. `crashed`: every queue pair goes to ERR, also one that waits for nothing.
  void die(bool crashed);
  /// The fabric has failed: perhaps because the peer has ended in good order, which it says before.
  void fail() {
    if (peer_.link) peer_.link->catch_up();
    die(true);
  }
  /// A transfer with the peer's memory failed, for whatever reason.
  void suspect() {
    if (peer_.link) peer_.link->suspect();
  }
  void probe();
  /// The peer's host has not taken what the control connection carries.
  bool path_dead();

  /// The peer is known to have its end: for who accepted the connection, when the first frame comes.
  bool confirmed = true;
  /// It has taken nothing for so long that datagrams do not wait for it any
  /// more.
  bool deaf = false;
  /// What frames that arrive here begin with.
  uint64_t token = 0;
  /// Malformed or misdirected packets: rejected, and counted.
  uint64_t rejected = 0;

 private:
  /// The first packet of a datagram, and as much of the payload as has come.
  struct Partial {
    wire::Packet packet{};
    std::vector<unsigned char> payload;
  };

  /// Frames that the peer has sent and that have not come.
  struct Overdue {
    uint32_t received = 0;  ///< frames that had come when it was noticed
    uint32_t reports = 0;   ///< how often the peer has said so; 0: nothing is overdue
    uint64_t since_ns = 0;
  };

  bool open_frame(Use use);
  void submit(fabric::Frame& frame);
  bool send_orphans();
  void drop(fabric::Frame& frame);
  void wake_peer();

  Lane& lane_;
  Rail& rail_;
  Peer peer_;
  bool alive_ = true;
  bool held_ = false;
  bool must_begin_ = false;  ///< begin_connection() has found no frame
  size_t eager_limit_;
  uint32_t frames_out_ = 0;
  uint32_t next_sent_ = 0;      ///< the number of the next frame to go
  uint32_t next_received_ = 0;  ///< and of the next to come
  uint32_t frames_sent_ = 0;
  Overdue overdue_;
  std::deque<wire::PacketHeader> orphans_;
  fabric::Frame* current_ = nullptr;
  uint32_t before_last_ = 0;  ///< the size of `current_` before its last packet
  fabric::Frame* backlog_ = nullptr;
  fabric::Frame** backlog_tail_ = &backlog_;
  std::unique_ptr<Partial> partial_;
  List<QueuePair, OnStalled> stalled_;
  List<ConnectedQueuePair, OnChannel> members_;
  List<Route, OnChannelRoutes> routes_;
};

}  // namespace vb
