// SPDX-License-Identifier: BSD-2-Clause
// The connection manager of a process: its sockets, its timers, who is who. Served by the engine's helper thread, which
// holds the lane's lock when it calls ready(): the order of locks is lane, manager, an event channel's queue. So no
// call into the transport may be made under the manager's lock.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/fd.h"
#include "base/spinlock.h"
#include "cm/identifier.h"
#include "cm/next_hop.h"
#include "transport/pollable.h"

namespace vb::cm {

/// A process that we have connections to. Whether it lives is asked now and then.
struct Peer {
  SocketAddress address;
  Socket* socket = nullptr;
  List<Identifier> members;
};

class Manager final : public Pollable {
 public:
  /// The process's manager, which starts the helper thread. Errors: of the system calls beneath.
  static Result<Manager*> get();
  /// nullptr: there is none (also in a forked child).
  static Manager* current();

  void ready(uint32_t events) override;
  /// Tells the peers that the process ends.
  void close();
  /// The queue pair's peer is gone, says the transport. Lane's lock held.
  void queue_pair_lost(uint32_t qpn);
  /// A network interface is no more. Lane's lock held.
  void interface_gone(uint32_t index);

  CountedMutex lock;

  // --- for identifiers; lock held ---

  uint64_t watch(Socket& socket, Identifier* owner);
  void unwatch(uint64_t number, Socket& socket);
  Result<Socket*> hub(const SocketAddress& local);
  void enroll(Identifier& id);
  void know_peer(Identifier& id);
  void forget(Identifier& id);
  void set_deadline(Identifier& id, uint64_t deadline_ns);
  void join_peer(Identifier& id);
  void leave_peer(Identifier& id);
  /// The program at the address that `id` asked has listened there, and lives as far as is known.
  void join_service(Identifier& id);
  void leave_service(Identifier& id);
  bool knows_service(const Identifier& id) const;
  void index_qpn(Identifier& id, bool add);
  /// Asks a peer at once whether it lives.
  void probe(Peer& peer);
  /// After deadlines have changed.
  void arm();

  /// Which network interface an identifier depends on, until its owner lets go.
  void depend(Identifier& id, uint32_t interface) { interface_of_[&id] = interface; }
  void stop_depending(Identifier& id) { interface_of_.erase(&id); }

  /// The identifier waits for a neighbour. False: the system does not tell of them.
  bool await(Identifier& id, const NextHop& hop);
  void stop_waiting(Identifier& id);

  EphemeralPorts ephemeral_ports;

  /// Datagrams that are not of the protocol, or fit no connection.
  uint64_t rejected = 0;

 private:
  struct Watched {
    Socket* socket;
    Identifier* owner;  ///< nullptr: a hub
  };
  using PeerName = std::pair<std::string, uint64_t>;  ///< where a request came from, and its sender

  Result<void> open();
  void serve(Watched& watched);
  void dispatch(const Watched& watched, const Socket::Datagram& datagram, const wire::CmMessage& message);
  std::shared_ptr<Identifier> receiver_of(const Socket::Datagram& datagram, const wire::CmMessage& message);
  void arrive(const Watched& watched, const Socket::Datagram& datagram, const wire::CmMessage& message);
  void refuse(const Socket::Datagram& datagram, const wire::CmMessage& message, Reason reason);
  void came_back(const Socket::Datagram& datagram, std::span<const unsigned char> bytes);
  void neighbours_changed();
  void expire_timers();
  void probe_peers(uint64_t now_ns);
  void peer_dead(Peer& peer);
  static PeerName peer_name(const Identifier& id);
  static std::string service_name(const Identifier& id);

  Fd epoll_;
  Fd timer_;
  uint64_t armed_ns_ = 0;
  uint64_t next_number_ = 2;   ///< the timer and the neighbours have 0 and 1
  NeighbourWatch neighbours_;  ///< open while somebody waits for one
  std::map<Identifier*, NextHop> hops_;
  std::unordered_map<uint64_t, Watched> watched_;
  std::map<std::string, std::unique_ptr<Socket>> hubs_;
  std::unordered_map<uint64_t, std::shared_ptr<Identifier>> identifiers_;
  std::map<PeerName, Identifier*> by_peer_;
  std::map<std::string, std::unique_ptr<Peer>> peers_;
  std::unordered_map<std::string, int> services_;  ///< connections to each, for as long as their numbers are known
  std::unordered_multimap<uint32_t, Identifier*> by_qpn_;
  std::map<Identifier*, uint32_t> interface_of_;
  std::set<std::pair<uint64_t, Identifier*>> deadlines_;
  uint64_t next_probe_ns_ = 0;
};

/// The manager's lock, with the timer set when it is released.
class Hold {
 public:
  explicit Hold(Manager& manager) : manager_(manager), guard_(manager.lock) {}
  ~Hold() { manager_.arm(); }

 private:
  Manager& manager_;
  std::lock_guard<CountedMutex> guard_;
};

}  // namespace vb::cm
