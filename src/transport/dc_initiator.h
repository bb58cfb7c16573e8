// SPDX-License-Identifier: BSD-2-Clause
// The transport of a DC initiator: a reliable queue pair whose work requests go each to a target of its own. It is
// connected to one target at a time, as on hardware: before it turns to the next, everything sent is answered.
#pragma once

#include "transport/connected_queue_pair.h"

namespace vb {

class Router;

class DcInitiator final : public ConnectedQueuePair {
 public:
  explicit DcInitiator(Router& router);

  /// kTurned: it has just been connected to the WR's target, and may have sent already. kLater: what was sent to
  /// another one is not answered yet. kNowhere: no process can have such a number, or the host has no route.
  enum class Aim { kRight, kLater, kTurned, kNowhere };
  Aim aim(SendWqe& wqe);
  /// Of a request to the target that it is aimed at; `at`: the packet's beginning.
  void put_header(unsigned char* at) const;

  bool lets_go() override;
  void tick(uint64_t now_ns) override;

 private:
  Router& router_;
  bool aimed_ = false;
  uint64_t key_ = 0;
  uint32_t connection_;  ///< begins anywhere: an earlier queue pair may have had the same number
  uint32_t first_msn_ = 0;
};

}  // namespace vb
