// SPDX-License-Identifier: BSD-2-Clause
// Protection domains.
#include "door.h"

using namespace vb;
using namespace vb::door;

VB_DOOR ibv_pd* ibv_alloc_pd(ibv_context* context) {
  if (!ours(context)) return native_ibv_alloc_pd(context);
  return pointer_entry([&] { return alloc_pd(Context::from(context)); });
}

VB_DOOR int ibv_dealloc_pd(ibv_pd* pd) {
  if (!ours(pd)) return native_ibv_dealloc_pd(pd);
  return errno_entry([&] { return dealloc_pd(Pd::from(pd)); });
}

VB_DOOR ibv_pd* ibv_import_pd(ibv_context* context, uint32_t handle) {
  if (!ours(context)) return native_ibv_import_pd(context, handle);
  return pointer_entry([&] { return import_pd(Context::from(context), handle); });
}

VB_DOOR void ibv_unimport_pd(ibv_pd* pd) {
  if (!ours(pd)) return native_ibv_unimport_pd(pd);
  unimport_pd(Pd::from(pd));
}
