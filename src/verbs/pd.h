// SPDX-License-Identifier: BSD-2-Clause
// ibv_pd: protection domains.
#pragma once

#include <infiniband/verbs.h>

#include <atomic>

#include "base/export.h"
#include "base/result.h"
#include "verbs/context.h"

namespace vb {

struct Pd {
  ibv_pd abi{};
  std::atomic<int> uses{0};

  static Pd& from(ibv_pd* pd) { return *reinterpret_cast<Pd*>(pd); }
};

VB_API Result<Pd*> alloc_pd(Context& context);
VB_API Result<void> dealloc_pd(Pd& pd);  ///< EBUSY while MRs, QPs, SRQs, AHs or MWs use it

}  // namespace vb
