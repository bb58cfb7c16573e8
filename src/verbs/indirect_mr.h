// SPDX-License-Identifier: BSD-2-Clause
// Memory regions that stand for pieces of others (transport/indirect.h), as the experimental verbs make and fill them.
#pragma once

#include <infiniband/verbs.h>

#include <memory>

#include "base/export.h"
#include "base/result.h"
#include "transport/indirect.h"
#include "transport/send_queue.h"
#include "verbs/mr.h"
#include "verbs/qp.h"

namespace vb {

inline constexpr uint32_t kMaxIndirectBlocks = 4096;  ///< of one key: each access walks through them
inline constexpr uint32_t kMaxInlineBlocks = 64;      ///< of a request that brings no memory for the list

/// A region that stands for nothing until it is filled, and then for at most `blocks` pieces. Its keys stay as they
/// are. How many those are stays in Mr::most_pieces. EINVAL: none, or more than kMaxIndirectBlocks.
VB_API Result<Mr*> create_indirect_mr(Pd& pd, uint32_t blocks);
/// Fills a slot with a request to fill the key of `mr` (an empty layout: to empty it). Of `head` wr_id and flags count.
/// 0 or EINVAL: the queue pair takes no such requests, `mr` is no such region, has not so many blocks, or is of another
/// PD; access bits beyond local write, remote write, read and atomics; an extent that wraps around. The send queue's
/// lock is held.
VB_API int put_fill(Qp& qp, SendWqe& wqe, const ibv_send_wr& head, Mr& mr, std::unique_ptr<IndirectFill> fill);
/// A request without a message nor SGEs: of `head` wr_id and flags count. EINVAL: the queue pair takes none. The send
/// queue's lock is held.
VB_API int put_local(Qp& qp, SendWqe& wqe, const ibv_send_wr& head, uint8_t opcode);

}  // namespace vb
