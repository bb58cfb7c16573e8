// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/counters.h"

#include "verbs/flow.h"

namespace vb {
namespace {

constexpr uint32_t kMaxIndex = 64;
constexpr int kNothing = -1;

uint64_t value_of(const FlowCounts& counts, int what) {
  if (what == IBV_COUNTER_PACKETS) return counts.packets.load(std::memory_order_relaxed);
  return what == IBV_COUNTER_BYTES ? counts.bytes.load(std::memory_order_relaxed) : 0;
}

}  // namespace

Result<Counters*> create_counters(Context& context, const ibv_counters_init_attr& attr) {
  if (attr.comp_mask != 0) return Error{EINVAL};
  auto* counters = new Counters;
  counters->abi.context = &context.abi.context;
  ++context.uses;
  return counters;
}

Result<void> destroy_counters(Counters& counters) {
  if (counters.uses.load() != 0) return Error{EBUSY};
  release(Context::from(counters.abi.context));
  delete &counters;
  return {};
}

Result<void> attach_counters_point_flow(Counters& counters, const ibv_counter_attach_attr& attr, Flow* flow) {
  const bool known = attr.counter_desc == IBV_COUNTER_PACKETS || attr.counter_desc == IBV_COUNTER_BYTES;
  if (attr.comp_mask != 0 || !known || attr.index >= kMaxIndex) return Error{EINVAL};
  {
    const std::lock_guard guard(counters.lock);
    if (attr.index >= counters.points.size()) counters.points.resize(attr.index + 1, kNothing);
    if (counters.points[attr.index] != kNothing) return Error{EINVAL};
    counters.points[attr.index] = attr.counter_desc;
  }
  if (flow) count_into(*flow, counters);
  return {};
}

Result<void> read_counters(Counters& counters, uint64_t* values, uint32_t count, uint32_t flags) {
  if (flags & ~uint32_t{IBV_READ_COUNTERS_ATTR_PREFER_CACHED}) return Error{EINVAL};
  const std::lock_guard guard(counters.lock);
  if (count < counters.points.size()) return Error{EINVAL};
  for (uint32_t i = 0; i < count; ++i) {
    values[i] = i < counters.points.size() ? value_of(counters.counts, counters.points[i]) : 0;
  }
  return {};
}

}  // namespace vb
