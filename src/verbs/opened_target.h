// SPDX-License-Identifier: BSD-2-Clause
// An XRC target of another process that this one has opened (ibv_open_qp). Its owner executes the target's requests and
// does what is asked of it (shared_target.h). When the owner ends, the target has ended: IBV_EVENT_QP_FATAL, and ERR.
#pragma once

#include <memory>
#include <mutex>

#include "base/fd.h"
#include "transport/lane.h"
#include "transport/pollable.h"
#include "transport/xrc_domain.h"
#include "verbs/target_socket.h"

namespace vb {

struct Engine;
struct Qp;

/// All but open() with the lane's lock held.
class OpenedTarget final : public Pollable {
 public:
  explicit OpenedTarget(Fd socket) : socket_(std::move(socket)) {}

  /// EINVAL: no other process that has opened the domain has such a target. ETIMEDOUT: one may have, but does not
  /// answer. Lane's lock not held.
  static Result<std::shared_ptr<OpenedTarget>> open(const std::shared_ptr<XrcDomain>& domain, uint32_t device,
                                                    uint32_t qpn);
  /// `handle` gets the target's events, and its state, from now on.
  void serve(Qp& handle);
  /// Asks the owner, and waits; others have the lock meanwhile. On return `message` has the answer. Errors: the
  /// owner's; EIO: it has ended; ETIMEDOUT: it does not answer.
  Result<void> ask(wire::TargetMessage& message, std::unique_lock<Lane>& guard);
  /// Lets go of the target, and says so. `self`: this.
  static void close(std::shared_ptr<OpenedTarget> self, std::unique_lock<Lane>& guard);

  void ready(uint32_t events) override;

 private:
  void take(const wire::TargetMessage& message);
  void take_event(const wire::TargetMessage& message);
  void lose();
  /// By a fork: it is the parent's.
  bool left_behind() const;

  Fd socket_;  ///< none: the owner has ended, or we have let go
  Qp* handle_ = nullptr;
  const Engine* engine_ = nullptr;
  uint32_t asked_ = 0;  ///< the last question's number
  bool asking_ = false;
  bool answered_ = false;
  wire::TargetMessage answer_;
};

}  // namespace vb
