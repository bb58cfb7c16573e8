// SPDX-License-Identifier: BSD-2-Clause
// A connection identifier: one end of a connection, a listener, or a user of a datagram service. The state machine of
// the InfiniBand specification (volume 1, 12.9) without alternate paths. It knows no structure of the API: its owner
// holds it by a shared pointer and hears of it on a channel; when the owner lets go it stays until the peer knows.
//
// Public calls take the manager's lock, from any thread, and block for nothing else. In a forked child all fail with
// EBADF: the parent has the sockets.
#pragma once

#include <atomic>
#include <memory>

#include "base/list.h"
#include "cm/channel.h"
#include "cm/port_space.h"
#include "cm/types.h"
#include "wire/cm_message.h"

namespace vb::cm {

class Manager;
struct Peer;

enum class State {
  kIdle,
  kResolving,  ///< waits for its neighbour to be known
  kListening,
  kRequestSent,      ///< active: waits for a reply
  kReplyReceived,    ///< active: the program has to establish
  kRequestReceived,  ///< passive: the program has to accept
  kReplySent,        ///< passive: waits for kReady
  kEstablished,
  kDisconnectSent,
  kDisconnectReceived,  ///< the peer has left; the program has not
  kTimewait,
  kInquirySent,
  kInquiryReceived,
  kInformed,
  kClosed
};

class Identifier : public std::enable_shared_from_this<Identifier>, public ListNode<Identifier> {
 public:
  /// `channel`: where its events go, also when the program has destroyed it meanwhile: then they are forgotten.
  Identifier(Manager& manager, Space space, std::shared_ptr<Channel> channel);
  ~Identifier();

  // --- the owner's side ---

  /// Takes a port. Errors: of bind_port.
  Result<void> bind(SocketAddress& address, const Socket::Options& options);
  /// Gives it back. Not when it listens or is connected.
  void unbind();
  /// Takes a number that only connects.
  Result<uint16_t> take_ephemeral_port();
  /// How many requests may wait for the program.
  Result<void> listen(int backlog);
  /// Both addresses as programs know them, ports included.
  void set_addresses(const SocketAddress& local, const SocketAddress& remote);

  /// The network interface that it depends on, by index; 0: on none.
  void depend_on(uint32_t interface);
  /// Says by an event when the way to the remote address is known: at once, or when the neighbour that leads there has
  /// answered. kAddressError, -ETIMEDOUT: it has not.
  Result<void> resolve(uint64_t patience_ns);
  /// Takes back what was set for a way that is not known. `bound`: the port stays.
  void forget_way(bool bound);

  /// EINVAL: not in this state, or too much private data.
  Result<void> connect(const Parameters& mine, PrivateData data);
  Result<void> accept(const Parameters& mine, PrivateData data);
  Result<void> reject(Reason reason, PrivateData data);
  Result<void> establish();
  Result<void> disconnect();
  /// A datagram service's inquiry and its answers.
  Result<void> inquire(PrivateData data);
  Result<void> inform(const Parameters& mine, PrivateData data);
  Result<void> refuse_inquiry(PrivateData data);
  /// Events go there from now on, those that wait too.
  void move_to(const std::shared_ptr<Channel>& channel);
  /// The owner lets go: no event comes any more, and those that wait are forgotten. The peer is told.
  void close();
  /// An event of the owner's own making.
  void post(Event event);
  /// A request of this listener's was taken by the program: another may wait.
  void request_taken() { ++backlog_; }

  /// The owner's object; set and read under the lock of the channel's queue.
  void* owner = nullptr;

  // Facts that do not change once a request is made.
  const SocketAddress& local() const { return local_; }
  const SocketAddress& remote() const { return remote_; }
  const Parameters& theirs() const { return theirs_; }
  Space space() const { return space_; }
  /// The state now; another may follow at once.
  State state() const;
  /// Its device has gone: there is nothing that it could do any more, and no event comes after that which said so.
  bool removed() const { return removed_.load(std::memory_order_acquire); }

  // --- the manager's side: its lock is held ---

  void receive(const wire::CmMessage& message);
  /// The peer's process is not there: what was sent to it came back.
  void refused();
  /// What the queue pair's fabric says: the peer is lost.
  void peer_lost();
  void device_gone();
  void neighbour_known();
  /// The kernel looks for it when something is to be sent there.
  void ask_for_neighbour();
  void expired();
  bool orphan() const { return channel_ == nullptr; }

 private:
  friend class Manager;

  // connection.cc: what arrives in a connection's life
  void on_request(const wire::CmRequest& body);
  void on_wait();
  void on_reply(const wire::CmReply& body);
  void on_ready();
  void on_reject(const wire::CmReject& body);
  void on_disconnect();
  void on_disconnected();
  void on_probe();
  void refuse_again();
  void withdrawn();
  bool may_yet_listen() const;
  void leave();
  void ended_by_peer();
  // datagram.cc
  Result<void> answer_inquiry(InformStatus status, PrivateData data);
  void on_inquire(const wire::CmInquire& body);
  void on_inform(const wire::CmInform& body);

  Result<void> speak();
  void address_service();
  wire::CmMessage message(wire::Cm type) const;
  void transmit(const wire::CmMessage& message);
  /// Sends now, and again until something comes back.
  void transmit_until_answered(const wire::CmMessage& message);
  void answer(wire::Cm type) { transmit(message(type)); }
  void stop_timer();
  void give_up();
  void enter(State state) { state_ = state; }
  void push(Kind kind, int status, PrivateData data = {}, size_t reported = 0);
  void refuse_waiting(const std::vector<Event>& requests);
  void release_port();
  void disconnected(int status);
  void start_timewait();
  void linger();
  void finish();
  void let_go();

  Manager& manager_;
  Space space_;
  std::shared_ptr<Channel> channel_;
  State state_ = State::kIdle;
  bool waited_ = false;  ///< the peer has said that it thinks
  /// A request's has no events before it is accepted, as with the kernel.
  bool has_events_ = true;
  std::atomic<bool> removed_{false};

  SocketAddress local_;
  SocketAddress remote_;
  std::unique_ptr<Socket> port_;
  uint64_t port_number_ = 0;  ///< of the manager's table of sockets; 0 without one
  uint16_t ephemeral_ = 0;
  std::atomic<int> backlog_{0};
  std::shared_ptr<Identifier> listener_;  ///< until the program has taken the request

  uint64_t number_ = 0;       ///< what the peer calls us
  uint64_t peer_number_ = 0;  ///< what we call the peer; 0: not known yet
  Socket* socket_ = nullptr;  ///< where messages leave: one of the manager's, that lives for ever
  SocketAddress destination_;
  Peer* peer_ = nullptr;
  bool served_ = false;  ///< counts among the manager's services

  Parameters mine_;
  Parameters theirs_;
  wire::CmMessage last_;  ///< what is sent again
  int attempts_ = 0;
  uint64_t interval_ns_ = 0;
  uint64_t deadline_ns_ = 0;
};

}  // namespace vb::cm
