// SPDX-License-Identifier: BSD-2-Clause
// Cross-channel work (transport/gate.h), as the experimental verbs ask for it.
#pragma once

#include <infiniband/verbs.h>

#include "base/export.h"
#include "base/result.h"
#include "transport/send_queue.h"
#include "verbs/cq.h"
#include "verbs/qp.h"

namespace vb {

/// From now on, and until it is destroyed, sends (receives) of the queue pair go only when a request says so. Before
/// anything is posted. EOPNOTSUPP: a queue pair that is not RC, UC or an XRC initiator. EINVAL: receives of an SRQ.
VB_API Result<void> manage(Qp& qp, bool sends, bool receives);

// Each fills a slot: `head` has wr_id and flags. 0 or EINVAL: a queue pair that takes no such request. The send queue's
// lock is held. `last` ends a group: the counts of the next one begin where the largest of this one has led.
/// What is behind it waits until the CQ has had `count` completions more. The CQ cannot be destroyed before.
VB_API int put_wait(Qp& qp, SendWqe& wqe, const ibv_send_wr& head, Cq& cq, uint32_t count, bool last);
/// Lets `count` requests more of the target's send (or receive) queue go, 0: all that are posted. EINVAL as well: there
/// are not so many, or the queue is not managed.
VB_API int put_enable(Qp& qp, SendWqe& wqe, const ibv_send_wr& head, Qp& target, bool receives, uint32_t count,
                      bool last);

}  // namespace vb
