// SPDX-License-Identifier: BSD-2-Clause
// What every form of posting sends is made of: the loop over a list, and how one work request fills a ring slot.
#pragma once

#include <infiniband/verbs.h>

#include "base/export.h"
#include "transport/engine.h"
#include "transport/send_queue.h"
#include "verbs/qp.h"

namespace vb {

/// Work may be posted from RTS on (o10-...; in ERR it flushes).
VB_API bool takes_sends(const Qp& qp);

/// Fills a slot. 0, or the errno for which it is not posted. The send queue's lock is held.
VB_API int put_wr(Qp& qp, SendWqe& wqe, const ibv_send_wr& wr);

/// An atomic of which masks say what it compares and changes. `opcode`: kMaskedCompareSwapOpcode,
/// kMaskedFetchAddOpcode.
struct MaskedAtomic {
  uint8_t opcode;
  uint32_t width;  ///< of target and operands, bytes: 4 or 8
  RemoteAddress remote;
  uint64_t compare_add;
  uint64_t swap;
  uint64_t compare_mask;
  uint64_t swap_mask;
};

/// The same; of `wr` only wr_id, the SGEs, the flags and the XRC SRQ count. EINVAL: a queue pair that was not made for
/// it.
VB_API int put_masked_atomic(Qp& qp, SendWqe& wqe, const ibv_send_wr& wr, const MaskedAtomic& atomic);

/// Where a work request of a DC initiator goes.
struct DcDestination {
  ibv_ah* address;
  uint32_t target;  ///< its number
  uint64_t key;
};

/// The last of what fills a slot: nothing may fail afterwards. EINVAL: no address handle of a host, or no such number.
VB_API int put_destination(Qp& qp, SendWqe& wqe, const DcDestination& to);

/// Puts a request into the send queue that is not begun before send_pending(), or before another is posted behind it.
/// 0, or the errno for which it is not there: EINVAL, ENOMEM.
VB_API int put_pending(Qp& qp, const ibv_send_wr& wr);
VB_API void send_pending(Qp& qp);

/// Posts a list: put(qp, slot, wr) fills the slot of each. Returns 0 or a positive errno; then *bad_wr is the first WR
/// that was not posted.
template <class Wr, class Put>
int post_list(Qp& qp, Wr* wr, Wr** bad_wr, Put put) {
  SendQueue& queue = qp.transport.send_queue;
  int error = 0;
  queue.lock().lock();
  if (!takes_sends(qp)) error = EINVAL;
  for (; wr && error == 0; wr = error ? wr : wr->next) {
    SendWqe* wqe = queue.reserve();
    if (!wqe) {
      error = ENOMEM;
      break;
    }
    error = put(qp, *wqe, *wr);
    if (error) queue.unreserve();
  }
  queue.publish();
  queue.lock().unlock();
  if (error) *bad_wr = wr;
  engine().lane.kick(qp.transport);
  return error;
}

}  // namespace vb
