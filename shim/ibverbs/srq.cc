// SPDX-License-Identifier: BSD-2-Clause
// Shared receive queues.
#include "door.h"

using namespace vb;
using namespace vb::door;

VB_DOOR ibv_srq* ibv_create_srq(ibv_pd* pd, ibv_srq_init_attr* attr) {
  if (!ours(pd)) return native_ibv_create_srq(pd, attr);
  return pointer_entry([&] { return create_srq(Pd::from(pd), *attr); });
}

VB_DOOR int ibv_modify_srq(ibv_srq* srq, ibv_srq_attr* attr, int mask) {
  if (!ours(srq)) return native_ibv_modify_srq(srq, attr, mask);
  return errno_entry([&] { return modify_srq(Srq::from(srq), *attr, mask); });
}

VB_DOOR int ibv_query_srq(ibv_srq* srq, ibv_srq_attr* attr) {
  if (!ours(srq)) return native_ibv_query_srq(srq, attr);
  return errno_entry([&] { return query_srq(Srq::from(srq), *attr); });
}

VB_DOOR int ibv_destroy_srq(ibv_srq* srq) {
  if (!ours(srq)) return native_ibv_destroy_srq(srq);
  return errno_entry([&] { return destroy_srq(Srq::from(srq)); });
}
