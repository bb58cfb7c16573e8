// SPDX-License-Identifier: BSD-2-Clause
// Completion counters.
#include "verbs/comp_cntr.h"

#include <algorithm>
#include <cstring>

#include "door.h"

using namespace vb;
using namespace vb::door;

VB_DOOR int _ibv_query_comp_cntr_caps(ibv_context* context, ibv_comp_cntr_caps* caps, size_t caps_size) {
  if (!ours(context)) return native__ibv_query_comp_cntr_caps(context, caps, caps_size);
  const ibv_comp_cntr_caps all = comp_cntr_caps();
  std::memset(static_cast<void*>(caps), 0, caps_size);
  std::memcpy(caps, &all, std::min(caps_size, sizeof all));
  return 0;
}

VB_DOOR ibv_comp_cntr* ibv_create_comp_cntr(ibv_context* context, ibv_comp_cntr_init_attr* attr) {
  if (!ours(context)) return native_ibv_create_comp_cntr(context, attr);
  return pointer_entry([&] { return create_comp_cntr(Context::from(context), *attr); });
}

VB_DOOR int ibv_destroy_comp_cntr(ibv_comp_cntr* counter) {
  if (!ours(counter)) return native_ibv_destroy_comp_cntr(counter);
  return errno_entry([&] { return destroy_comp_cntr(CompCntr::from(counter)); });
}

VB_DOOR int ibv_set_comp_cntr(ibv_comp_cntr* counter, uint64_t value) {
  if (!ours(counter)) return native_ibv_set_comp_cntr(counter, value);
  CompCntr::from(counter).counter.completed = value;
  return 0;
}

VB_DOOR int ibv_set_err_comp_cntr(ibv_comp_cntr* counter, uint64_t value) {
  if (!ours(counter)) return native_ibv_set_err_comp_cntr(counter, value);
  CompCntr::from(counter).counter.failed = value;
  return 0;
}

VB_DOOR int ibv_inc_comp_cntr(ibv_comp_cntr* counter, uint64_t amount) {
  if (!ours(counter)) return native_ibv_inc_comp_cntr(counter, amount);
  CompCntr::from(counter).counter.completed += amount;
  return 0;
}

VB_DOOR int ibv_inc_err_comp_cntr(ibv_comp_cntr* counter, uint64_t amount) {
  if (!ours(counter)) return native_ibv_inc_err_comp_cntr(counter, amount);
  CompCntr::from(counter).counter.failed += amount;
  return 0;
}

VB_DOOR int ibv_read_comp_cntr(ibv_comp_cntr* counter, uint64_t* value) {
  if (!ours(counter)) return native_ibv_read_comp_cntr(counter, value);
  *value = read_comp_cntr(CompCntr::from(counter));
  return 0;
}

VB_DOOR int ibv_read_err_comp_cntr(ibv_comp_cntr* counter, uint64_t* value) {
  if (!ours(counter)) return native_ibv_read_err_comp_cntr(counter, value);
  *value = read_err_comp_cntr(CompCntr::from(counter));
  return 0;
}

VB_DOOR int ibv_qp_attach_comp_cntr(ibv_qp* qp, ibv_comp_cntr* counter, ibv_qp_attach_comp_cntr_attr* attr) {
  if (!ours(qp)) return native_ibv_qp_attach_comp_cntr(qp, counter, attr);
  return errno_entry([&] { return attach_comp_cntr(Qp::from(qp), CompCntr::from(counter), *attr); });
}
