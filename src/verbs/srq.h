// SPDX-License-Identifier: BSD-2-Clause
// ibv_srq: shared receive queues, of the basic, the XRC and the tag-matching kind.
#pragma once

#include <infiniband/verbs.h>

#include <atomic>
#include <cstddef>

#include "base/export.h"
#include "base/result.h"
#include "transport/shared_receive_queue.h"
#include "verbs/pd.h"

namespace vb {

struct Cq;
struct Xrcd;

struct Srq {
  ibv_srq abi{};
  /// What programs of OFED's XRC look for here (compat-headers/infiniband/ofa_verbs.h); and, of OFED 1.5, the number in
  /// the last four bytes of the structure above, which are of no use since.
  struct {
    void* domain;
    ibv_cq* cq;
    unsigned char unknown[8];
    uint32_t number_of_mlnx;
  } ofed{};
  SharedReceiveQueue queue;
  ibv_srq_type type = IBV_SRQT_BASIC;
  Cq* cq = nullptr;      ///< XRC, tag matching
  Xrcd* xrcd = nullptr;  ///< XRC
  std::atomic<int> uses{0};
  unsigned async_sent = 0;

  struct Events final : SharedReceiveQueue::Listener {
    explicit Events(Srq& owner) : srq(owner) {}
    void limit_reached() override;
    Srq& srq;
  } events{*this};

  static Srq& from(ibv_srq* srq) { return *reinterpret_cast<Srq*>(srq); }
};

inline constexpr size_t kSrqNumberOfOfed = 124;
static_assert(offsetof(ibv_srq, events_completed) + sizeof(uint32_t) == kSrqNumberOfOfed && sizeof(ibv_srq) == 128);
static_assert(sizeof(ibv_srq) + 24 == 152);

/// `attr.attr` is updated with what was granted.
VB_API Result<Srq*> create_srq(Pd& pd, ibv_srq_init_attr& attr);
/// EINVAL for a kind without what it needs (XRC: domain and CQ; tag matching: CQ and a list size within the device's),
/// EOPNOTSUPP for fields and kinds that are not known. ibv_create_srq_ex(3).
VB_API Result<Srq*> create_srq_ex(Context& context, ibv_srq_init_attr_ex& attr);
/// All or nothing. EINVAL for a limit beyond the size, or a size below the limit or what waits.
VB_API Result<void> modify_srq(Srq& srq, const ibv_srq_attr& attr, int mask);
VB_API Result<void> query_srq(Srq& srq, ibv_srq_attr& attr);
/// EBUSY while QPs use it. An XRC SRQ waits for the messages that are arriving in it.
VB_API Result<void> destroy_srq(Srq& srq);
/// Returns 0 or a positive errno; on failure *bad_wr is the first WR that was not posted.
VB_API int post_srq_recv(Srq& srq, ibv_recv_wr* wr, ibv_recv_wr** bad_wr);
/// Changes the matching list. EINVAL for an SRQ of another kind, an opcode or flag that is not known, or too many SGEs;
/// ENOMEM: the list is full. ibv_post_srq_ops(3).
VB_API int post_srq_ops(Srq& srq, ibv_ops_wr* wr, ibv_ops_wr** bad_wr);

}  // namespace vb
