// SPDX-License-Identifier: BSD-2-Clause
// An XRC target of this process that others of its domain have opened (ibv_open_qp). They ask by a local socket, and
// this process, which executes the target's requests, does what they ask. A connection is a handle: the target lives
// as long as any, and a process that dies has let go. Guarded by the lane's lock.
#pragma once

#include "base/fd.h"
#include "base/list.h"
#include "transport/pollable.h"
#include "transport/xrc_domain.h"
#include "verbs/target_socket.h"

namespace vb {

struct Device;
struct Qp;

/// Another process, and the target that it has opened.
class TargetHolder final : public Pollable, public ListNode<TargetHolder> {
 public:
  explicit TargetHolder(Fd socket);
  void ready(uint32_t events) override;
  /// An event of the target. Does not wait.
  void tell(ibv_event_type event);
  /// It has not said what it wants: it is made to go.
  void give_up();

 private:
  ~TargetHolder();
  bool answer(wire::TargetMessage& message);
  int open(wire::TargetMessage& message);
  int modify(const wire::TargetMessage& message);
  void describe(wire::TargetMessage& message) const;
  void let_go();

  Fd socket_;
  Qp* target_ = nullptr;
  XrcDomain::Voucher voucher_;
};

/// From now on others may open targets that have a number of this slot. Says so when they cannot.
void let_others_open(const Device& device, uint32_t slot);

}  // namespace vb
