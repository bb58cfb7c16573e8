// SPDX-License-Identifier: BSD-2-Clause
// ibv_srq: shared receive queues.
#pragma once

#include <infiniband/verbs.h>

#include <atomic>

#include "base/export.h"
#include "base/result.h"
#include "transport/receive_queue.h"
#include "verbs/pd.h"

namespace vb {

struct Srq {
  ibv_srq abi{};
  ReceiveQueue queue;
  std::atomic<int> uses{0};
  unsigned async_sent = 0;
  uint32_t number = 0;

  static Srq& from(ibv_srq* srq) { return *reinterpret_cast<Srq*>(srq); }
};

/// `attr.attr` is updated with what was granted.
VB_API Result<Srq*> create_srq(Pd& pd, ibv_srq_init_attr& attr);
VB_API Result<Srq*> create_srq_ex(Context& context, ibv_srq_init_attr_ex& attr);
VB_API Result<void> modify_srq(Srq& srq, const ibv_srq_attr& attr, int mask);
VB_API Result<void> query_srq(Srq& srq, ibv_srq_attr& attr);
VB_API Result<void> destroy_srq(Srq& srq);
/// Returns 0 or a positive errno; on failure *bad_wr is the first WR that was not posted.
VB_API int post_srq_recv(Srq& srq, ibv_recv_wr* wr, ibv_recv_wr** bad_wr);

}  // namespace vb
