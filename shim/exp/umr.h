// SPDX-License-Identifier: BSD-2-Clause
// Work requests that say which pieces of regions a key stands for.
#pragma once

#include "exp/door.h"
#include "verbs/post.h"

namespace vb::exp {

/// What today's work request would say of it: but for the opcode's own part.
ibv_send_wr head_of(const ibv_exp_send_wr& wr);

/// Fills a slot with IBV_EXP_WR_UMR_FILL or _INVALIDATE. 0 or the errno. The send queue's lock is held.
int put_umr(Qp& qp, SendWqe& wqe, const ibv_exp_send_wr& wr);

}  // namespace vb::exp
