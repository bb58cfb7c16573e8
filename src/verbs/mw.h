// SPDX-License-Identifier: BSD-2-Clause
// ibv_mw: memory windows. Bound by work requests: transport/window.h.
#pragma once

#include <infiniband/verbs.h>

#include "base/export.h"
#include "base/result.h"
#include "transport/memory.h"
#include "verbs/pd.h"
#include "verbs/qp.h"

namespace vb {

struct Mw {
  ibv_mw abi{};
  MemoryWindow window;

  static Mw& from(ibv_mw* mw) { return *reinterpret_cast<Mw*>(mw); }
};

/// EINVAL for an unknown type, ENOMEM when no key is left. Not bound: its rkey grants nothing.
VB_API Result<Mw*> alloc_mw(Pd& pd, ibv_mw_type type);
/// Unbinds. Afterwards no peer touches memory through it: waits for operations under way.
VB_API Result<void> dealloc_mw(Mw& mw);
/// ibv_bind_mw(3), type 1. Returns 0 or an errno. mw.rkey is the new key when it returns 0.
VB_API int bind_mw(Qp& qp, ibv_mw& mw, const ibv_mw_bind& bind);

}  // namespace vb
