// SPDX-License-Identifier: BSD-2-Clause
// Completion queues.
#include "door.h"

using namespace vb;
using namespace vb::door;

VB_DOOR ibv_cq* ibv_create_cq(ibv_context* context, int cqe, void* cq_context, ibv_comp_channel* channel, int vector) {
  if (!ours(context)) return native_ibv_create_cq(context, cqe, cq_context, channel, vector);
  ibv_cq_init_attr_ex attr{};
  attr.cqe = cqe > 0 ? static_cast<uint32_t>(cqe) : 0;
  attr.cq_context = cq_context;
  attr.channel = channel;
  attr.comp_vector = static_cast<uint32_t>(vector);
  return pointer_entry([&] { return create_cq(Context::from(context), attr); });
}

VB_DOOR int ibv_resize_cq(ibv_cq* cq, int cqe) {
  if (!ours(cq)) return native_ibv_resize_cq(cq, cqe);
  return errno_entry([&] { return resize_cq(Cq::from(cq), cqe); });
}

VB_DOOR int ibv_destroy_cq(ibv_cq* cq) {
  if (!ours(cq)) return native_ibv_destroy_cq(cq);
  return errno_entry([&] { return destroy_cq(Cq::from(cq)); });
}
