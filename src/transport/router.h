// SPDX-License-Identifier: BSD-2-Clause
// The router: from (GID, QPN) to a channel. Owns the control listeners, whose ports are the locks on slots of the QPN
// space, the control connections and the rails. Lane's lock held throughout.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/gid.h"
#include "base/list.h"
#include "base/result.h"
#include "transport/channel.h"
#include "transport/control_link.h"
#include "transport/lane.h"
#include "transport/multicast.h"
#include "transport/poller.h"
#include "transport/presence.h"
#include "transport/xrc_stand_in.h"

namespace vb {

struct AddressHandle;
struct OnChannelRoutes;

/// Where a peer process listens, and who waits to be connected to it.
class Route : public ListNode<Route, OnChannelRoutes> {
 public:
  Route(const SocketAddress& peer, const SocketAddress& source) : peer(peer), source(source) {}

  SocketAddress peer;
  SocketAddress source;
  Channel* channel = nullptr;
  bool connecting = false;
  bool reached = false;  ///< the process there has answered: it lives, however long the rest takes
  bool apart = false;    ///< memory could not be shared: the next attempt is by the fabric
  uint64_t retry_at_ns = 0;
  uint64_t retry_delay_ns = 0;
  List<ConnectedQueuePair, OnRoute> waiting;
  bool slow = false;  ///< datagrams have waited too long for it: others do not
  List<QueuePair, OnStalled> waiting_datagrams;
};

class Router {
 public:
  explicit Router(Lane& lane) : lane_(lane) {
    loopback_.channel = &lane.loopback();
    lane.groups = &multicast_;
    lane.stand_ins = &stand_ins_;
  }

  /// Opens what every process needs: the presence page, the poller.
  Result<void> open();

  /// A QPN in a slot that is locked on all of `addresses` (a device's). EADDRINUSE: no slot left. ENOMEM: none free.
  /// ENODEV: there are no addresses, because the interface is gone or has none.
  Result<uint32_t> allocate_qpn(uint32_t device, const std::vector<SocketAddress>& addresses);
  /// The QPN comes back last.
  void free_qpn(uint32_t qpn);

  /// The device's interface is no more. Its queue pairs fail, its endpoints leave the fabric, and its listeners close
  /// with the last queue pair; those that are made later get slots at its next addresses.
  void device_gone(uint32_t device);

  /// Connects a queue pair to (destination, qpn). Does not wait: what is posted before the channel stands is queued.
  /// ENETUNREACH, EHOSTUNREACH: the host knows at once that nothing leads there.
  Result<void> connect(ConnectedQueuePair& qp, const SocketAddress& source, const SocketAddress& destination,
                       uint32_t qpn);

  /// The same by a route that is known.
  Result<void> connect(ConnectedQueuePair& qp, Route& route);

  /// The route of datagrams. nullptr: no process can have such a QPN.
  Route* route_to(AddressHandle& address, uint32_t qpn);
  /// Looks for what is behind a route that has no channel. False: in vain a
  /// moment ago, or at once.
  bool seek(Route& route);

  /// Reconnects what failed, ends late handshakes.
  void tick(uint64_t now_ns);
  bool retrying() const { return retrying_ || !resting_.empty(); }
  void close();
  /// Whether a peer has not heard our goodbye yet: it closes the connection when it has.
  bool parting();

  // For control links.
  Lane& lane() { return lane_; }
  Poller& poller() { return poller_; }
  wire::Hello hello() const;
  /// Empty: none is asked for.
  const std::string& secret() const { return secret_; }
  /// Says once that peers without the secret are refused.
  void refused_peer();
  uint64_t presence_proof() { return presence_.page().proof; }
  std::string fabric_provider(int socket);
  /// Whether the host at the other end of a connection has this address.
  static bool is_other_end(const SocketAddress& address, int socket);
  /// Which interfaces of which hosts this connection joins.
  static std::string path_of(int socket);
  Rail* shared_memory_rail();
  Rail* fabric_rail(int socket, std::string_view provider);
  void found(Route& route, Channel& channel);
  void not_found(Route& route);
  void discard(ControlLink& link);
  /// The next connection that waits at a listener; none: no more. Without a descriptor left it rests until the next
  /// tick.
  Fd accept(Pollable& listener, int listening);
  Presence& presence() { return presence_; }
  Multicast& multicast() { return multicast_; }
  XrcStandIns& stand_ins() { return stand_ins_; }

  /// Malformed or untimely control messages.
  uint64_t rejected = 0;

 private:
  struct Listener final : Pollable {
    Listener(Router& owner, Fd fd) : router(owner), socket(std::move(fd)) {}
    void ready(uint32_t) override { router.accept_links(*this); }
    Router& router;
    Fd socket;
  };
  struct Slot {
    uint32_t number;
    uint32_t device;
    uint32_t cursor = 0;
    uint32_t used = 0;
    std::vector<bool> taken;
    std::vector<std::string> keys;  ///< address and port of each listener
    std::vector<std::unique_ptr<Listener>> listeners;
  };

  Result<Slot*> lock_slot(uint32_t device, const std::vector<SocketAddress>& addresses);
  bool listen(Slot& slot, const std::vector<SocketAddress>& addresses);
  bool own(const SocketAddress& address);
  Route* find_route(const SocketAddress& source, const SocketAddress& destination, uint32_t slot);
  void forget_rails(const Slot& slot, std::vector<Rail*>& left);
  void close_slots();
  Result<void> start(Route& route);
  void accept_links(Listener& listener);
  void rest(Pollable& listener, int listening);

  Lane& lane_;
  Poller poller_;
  Presence presence_;
  Multicast multicast_{lane_, poller_};
  XrcStandIns stand_ins_{*this};
  wire::Hello hello_{};
  std::string secret_;
  std::vector<std::unique_ptr<Slot>> slots_;
  uint32_t generation_ = 0;  ///< counts changes of them
  std::map<std::string, std::unique_ptr<Route>> routes_;
  Route loopback_{{}, {}};                        ///< to this process itself
  std::map<std::string, std::string> providers_;  ///< by local address
  std::map<std::string, Rail*> rails_;            ///< by provider and local address
  List<ControlLink> links_;
  std::vector<std::pair<Pollable*, int>> resting_;  ///< listeners, and their sockets
  bool retrying_ = false;
};

}  // namespace vb
