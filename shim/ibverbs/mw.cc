// SPDX-License-Identifier: BSD-2-Clause
// Memory windows: inline functions of the program call them through ibv_context.ops.
#include "door.h"

namespace vb::door {
namespace {

ibv_mw* table_alloc_mw(ibv_pd* pd, ibv_mw_type type) {
  return pointer_entry([&] { return alloc_mw(Pd::from(pd), type); });
}

int table_dealloc_mw(ibv_mw* mw) {
  return errno_entry([&] { return dealloc_mw(Mw::from(mw)); });
}

int table_bind_mw(ibv_qp* qp, ibv_mw* mw, ibv_mw_bind* bind) { return bind_mw(Qp::from(qp), *mw, *bind); }

}  // namespace

void overlay_windows(ibv_context_ops& ops) {
  ops.alloc_mw = table_alloc_mw;
  ops.dealloc_mw = table_dealloc_mw;
  ops.bind_mw = table_bind_mw;
}

}  // namespace vb::door
