// SPDX-License-Identifier: BSD-2-Clause
// ibv_flow: a steering rule that is in force. ibv_create_flow(3).
#pragma once

#include <infiniband/verbs.h>

#include <vector>

#include "base/export.h"
#include "base/result.h"
#include "transport/raw_port.h"
#include "verbs/counters.h"
#include "verbs/qp.h"

namespace vb {

struct Flow {
  ibv_flow abi{};
  FlowRule rule;
  RawPort* port = nullptr;
  Qp* qp = nullptr;
  std::vector<Counters*> counters;

  static Flow& from(ibv_flow* flow) { return *reinterpret_cast<Flow*>(flow); }
};

/// EINVAL: a specification that is not known, or a queue pair that takes no raw frames. EPERM without CAP_NET_RAW.
/// EOPNOTSUPP: what docs/raw-packets.md says is not offered.
VB_API Result<Flow*> create_flow(Qp& qp, const ibv_flow_attr& attr);
VB_API Result<void> destroy_flow(Flow& flow);
/// The flow counts into `counters` as well.
void count_into(Flow& flow, Counters& counters);

}  // namespace vb
