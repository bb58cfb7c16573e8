// SPDX-License-Identifier: BSD-2-Clause
// Counters: slots of verbs_context.
#include "verbs/counters.h"

#include "door.h"
#include "verbs/flow.h"

namespace vb::door {
namespace {

ibv_counters* table_create_counters(ibv_context* context, ibv_counters_init_attr* attr) {
  return pointer_entry([&] { return create_counters(Context::from(context), *attr); });
}

int table_destroy_counters(ibv_counters* counters) {
  return errno_entry([&] { return destroy_counters(Counters::from(counters)); });
}

int table_attach_counters_point_flow(ibv_counters* counters, ibv_counter_attach_attr* attr, ibv_flow* flow) {
  return errno_entry(
      [&] { return attach_counters_point_flow(Counters::from(counters), *attr, flow ? &Flow::from(flow) : nullptr); });
}

int table_read_counters(ibv_counters* counters, uint64_t* values, uint32_t count, uint32_t flags) {
  return errno_entry([&] { return read_counters(Counters::from(counters), values, count, flags); });
}

}  // namespace

void overlay_counters(verbs_context& table) {
  table.create_counters = table_create_counters;
  table.destroy_counters = table_destroy_counters;
  table.attach_counters_point_flow = table_attach_counters_point_flow;
  table.read_counters = table_read_counters;
}

}  // namespace vb::door
