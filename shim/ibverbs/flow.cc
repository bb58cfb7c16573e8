// SPDX-License-Identifier: BSD-2-Clause
// Flow steering: slots of verbs_context.
#include "verbs/flow.h"

#include "door.h"

namespace vb::door {
namespace {

ibv_flow* table_create_flow(ibv_qp* qp, ibv_flow_attr* attr) {
  return pointer_entry([&] { return create_flow(Qp::from(qp), *attr); });
}

int table_destroy_flow(ibv_flow* flow) {
  return errno_entry([&] { return destroy_flow(Flow::from(flow)); });
}

}  // namespace

void overlay_flows(verbs_context& table) {
  table.ibv_create_flow = table_create_flow;
  table.ibv_destroy_flow = table_destroy_flow;
}

}  // namespace vb::door
