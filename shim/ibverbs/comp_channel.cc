// SPDX-License-Identifier: BSD-2-Clause
// Completion channels and their events.
#include "compat10/registry.h"
#include "door.h"

using namespace vb;
using namespace vb::door;

// Making and destroying one has a single version for programs of every age: 1.0 programs' structures are told apart.
VB_DOOR ibv_comp_channel* ibv_create_comp_channel(ibv_context* context) {
  if (compat10::Context* old = compat10::as_context(context)) return compat10::create_channel(old);
  if (!ours(context)) return native_ibv_create_comp_channel(context);
  return pointer_entry([&] { return create_comp_channel(Context::from(context)); });
}

VB_DOOR int ibv_destroy_comp_channel(ibv_comp_channel* channel) {
  if (compat10::Channel* old = compat10::as_channel(channel)) return compat10::destroy_channel(old);
  if (!ours(channel)) return native_ibv_destroy_comp_channel(channel);
  return errno_entry([&] { return destroy_comp_channel(CompChannel::from(channel)); });
}

/// A cancellation point: no guard.
VB_DOOR int ibv_get_cq_event(ibv_comp_channel* channel, ibv_cq** cq, void** cq_context) {
  if (!ours(channel)) return native_ibv_get_cq_event(channel, cq, cq_context);
  Result<Cq*> result = get_cq_event(CompChannel::from(channel));
  if (!result) return as_minus_one(result);
  *cq = handle(**result);
  *cq_context = (*cq)->cq_context;
  return 0;
}

VB_DOOR void ibv_ack_cq_events(ibv_cq* cq, unsigned count) {
  if (!ours(cq)) return native_ibv_ack_cq_events(cq, count);
  ack_cq_events(Cq::from(cq), count);
}
