// SPDX-License-Identifier: BSD-2-Clause
// ibv_wq: receive work queues, which an indirection table spreads frames over. ibv_create_wq(3).
#pragma once

#include <infiniband/verbs.h>

#include <atomic>

#include "base/export.h"
#include "base/result.h"
#include "transport/raw_receiver.h"
#include "verbs/cq.h"
#include "verbs/pd.h"

namespace vb {

struct Wq {
  ibv_wq abi{};
  ReceiveQueue queue;
  RawReceiver receiver;
  std::atomic<int> uses{0};  ///< indirection tables
  unsigned async_sent = 0;   ///< asynchronous events handed to the program, guarded by abi.mutex
  uint32_t flags = 0;        ///< ibv_wq_flags
  std::atomic<ibv_wq_state> state{IBV_WQS_RESET};

  struct Owner final : RawReceiver::Owner {
    explicit Owner(Wq& owner) : wq(owner) {}
    bool receives_frames() const override { return wq.state.load(std::memory_order_relaxed) == IBV_WQS_RDY; }
    void receive_failed() override;
    Wq& wq;
  } owner{*this};

  static Wq& from(ibv_wq* wq) { return *reinterpret_cast<Wq*>(wq); }
};

/// EINVAL: a depth or number of SGEs beyond the device's, an unknown type, CQ or PD of another context. EOPNOTSUPP: a
/// flag that docs/raw-packets.md says is not offered. Writes max_wr and max_sge as granted. The door sets post_recv;
/// the program's inline function the mutex and the condition.
VB_API Result<Wq*> create_wq(Context& context, ibv_wq_init_attr& attr);
/// RESET to RDY, RDY to ERR, anything to RESET or ERR. EINVAL: another transition, or a current state that is not.
VB_API Result<void> modify_wq(Wq& wq, const ibv_wq_attr& attr);
VB_API Result<void> destroy_wq(Wq& wq);  ///< EBUSY while indirection tables use it
/// Returns 0 or a positive errno; on failure *bad_wr is the first WR that was not posted.
VB_API int post_wq_recv(Wq& wq, ibv_recv_wr* wr, ibv_recv_wr** bad_wr);

}  // namespace vb
