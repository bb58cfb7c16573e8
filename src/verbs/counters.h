// SPDX-License-Identifier: BSD-2-Clause
// ibv_counters: what flows have seen. ibv_create_counters(3).
#pragma once

#include <infiniband/verbs.h>

#include <atomic>
#include <mutex>
#include <vector>

#include "base/export.h"
#include "base/result.h"
#include "transport/flow_rule.h"
#include "verbs/context.h"

namespace vb {

struct Flow;

struct Counters {
  ibv_counters abi{};
  std::atomic<int> uses{0};  ///< flows that count into it
  FlowCounts counts;
  std::mutex lock;          ///< of `points`
  std::vector<int> points;  ///< the ibv_counter_description at each index; -1 where nothing stands

  static Counters& from(ibv_counters* counters) { return *reinterpret_cast<Counters*>(counters); }
};

/// EINVAL: comp_mask has a bit that is not known (none is).
VB_API Result<Counters*> create_counters(Context& context, const ibv_counters_init_attr& attr);
VB_API Result<void> destroy_counters(Counters& counters);  ///< EBUSY while flows count into it
/// What read_counters shows at attr.index (below 64). With a flow, the flow counts into it from now on; without one,
/// flows do that name it at their creation. EINVAL: an index that is taken or too large, a counter that is not known.
VB_API Result<void> attach_counters_point_flow(Counters& counters, const ibv_counter_attach_attr& attr, Flow* flow);
/// EINVAL: `count` is less than the indexes that are in use, or a flag that is not known. Indexes without a counter
/// read as 0.
VB_API Result<void> read_counters(Counters& counters, uint64_t* values, uint32_t count, uint32_t flags);

}  // namespace vb
