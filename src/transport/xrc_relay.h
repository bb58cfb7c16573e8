// SPDX-License-Identifier: BSD-2-Clause
// An XRC target's way to SRQs of other processes that have its domain open (xrc_domain.h). Requests come to the
// process that has the target; what is for an SRQ of another member is handed on to that one, by an initiator of our
// own for each SRQ, and answered when the member has answered. One request at a time, so order holds. At the other end
// stands a stand-in (xrc_stand_in.h). Guarded by the lane's lock.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/gid.h"
#include "transport/connected_queue_pair.h"

namespace vb {

class Router;

class XrcRelay {
 public:
  /// Where the target's device is.
  struct Home {
    Router& router;
    uint32_t device;
    std::vector<SocketAddress> addresses;
  };

  XrcRelay(ConnectedQueuePair& target, Home home);
  ~XrcRelay();

  /// Whether another member of the target's domain may have the SRQ.
  bool reaches(uint32_t srqn);
  /// Hands a request on, unless one is under way. `memory`: its payload, or where what is read goes; until take().
  void start(const wire::Packet& packet, MemoryRegion& memory);
  /// How the request ended, as a requester sees it; none: it has not.
  const std::optional<ibv_wc_status>& result() const { return result_; }
  /// The request is dealt with.
  void take();
  /// The target goes to ERR.
  void stop();
  bool quiet() const;
  /// The members that hold up a request are not waited for any longer.
  void cut_off();
  /// Forgets the ways to all SRQs. Must be quiet.
  void close();

  /// An initiator of ours tells.
  void finished(ibv_wc_status status);

 private:
  struct Way;

  Way* way_to(uint32_t srqn);
  void remove(Way& way);

  ConnectedQueuePair& target_;
  Home home_;
  std::map<uint32_t, std::unique_ptr<Way>> ways_;  ///< by SRQ
  MemoryRegion* memory_ = nullptr;                 ///< of the request under way
  std::optional<ibv_wc_status> result_;
};

}  // namespace vb
