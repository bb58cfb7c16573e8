// SPDX-License-Identifier: BSD-2-Clause
// Stand-ins: what takes the requests that the process of an XRC target hands on to an SRQ of this process
// (xrc_relay.h). One for each SRQ and initiator of a relay; made when a request comes, as the initiator has one request
// under way at most. Guarded by the lane's lock.
#pragma once

#include <map>
#include <memory>
#include <utility>

#include "transport/connected_queue_pair.h"

namespace vb {

class Router;

class XrcStandIns {
 public:
  explicit XrcStandIns(Router& router);
  ~XrcStandIns();

  /// A packet that names no queue pair. False: it is for no SRQ here, or from nobody who may hand requests on to it.
  bool receive(Channel& from, const wire::Packet& packet);
  /// Those of an SRQ that goes.
  void drop(uint32_t srqn);
  /// QueuePair::cut_off for those that use this memory region, memory window or SRQ.
  void cut_off(const void* object);
  /// Those whose peer is gone.
  void tick();

 private:
  struct StandIn;
  using Key = std::pair<uint32_t, uint32_t>;  ///< SRQ, and the initiator's QPN

  static constexpr size_t kMost = 4096;

  StandIn* find(const wire::Packet& packet);
  StandIn* make(const Key& key, const wire::Packet& packet);

  Router& router_;
  std::map<Key, std::unique_ptr<StandIn>> all_;
};

}  // namespace vb
