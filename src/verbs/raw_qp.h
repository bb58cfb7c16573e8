// SPDX-License-Identifier: BSD-2-Clause
// What is particular to raw packet queue pairs among the queue pairs: see docs/raw-packets.md.
#pragma once

#include <infiniband/verbs.h>

#include <memory>

#include "base/export.h"
#include "base/result.h"
#include "transport/raw_port.h"
#include "transport/raw_queue_pair.h"
#include "verbs/qp.h"

namespace vb {

/// The raw side of a device. EPERM without CAP_NET_RAW. Lane's lock held.
Result<RawPort*> raw_port_of(const Device& device);

/// A raw packet queue pair's transport. EPERM without CAP_NET_RAW.
Result<std::unique_ptr<QueuePair>> make_raw_transport(const Device& device);
/// That of one that only spreads frames over the work queues of attr.rwq_ind_tbl: it has no queues of its own, and uses
/// the table as long as it lives. EINVAL, EOPNOTSUPP: a hash that is wrong, or not offered.
Result<std::unique_ptr<QueuePair>> make_spreader(const Device& device, const ibv_qp_init_attr_ex& attr);
/// Once the queue pair's transport has its config: connects it with what is steered.
void adopt_raw(Qp& qp, bool strips_vlan);

/// The transport, if it is one that sends.
inline RawQueuePair* raw_transport(Qp& qp) {
  const bool sends = qp.init.qp_type == IBV_QPT_RAW_PACKET && qp.init.send_cq;
  return sends ? static_cast<RawQueuePair*>(&qp.transport) : nullptr;
}

/// Lane's lock held.
void limit_rate(Qp& qp, uint32_t kbps, uint32_t burst);

/// ibv_modify_qp_rate_limit(3). EINVAL: not in RTS, or not a raw packet queue pair. `rate_limit` 0 lifts the limit.
VB_API Result<void> modify_qp_rate_limit(Qp& qp, const ibv_qp_rate_limit_attr& attr);

}  // namespace vb
