// SPDX-License-Identifier: BSD-2-Clause
// ibv_advise_mr: prefetch of on-demand memory. The errors are those of ibv_advise_mr(3).
#include "base/safe_copy.h"
#include "transport/engine.h"
#include "verbs/mr.h"

namespace vb {

namespace {

bool writes(ibv_advise_mr_advice advice) { return advice == IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE; }

/// Where the range is, or why it may not be prefetched.
Result<unsigned char*> locate(const Pd& pd, ibv_advise_mr_advice advice, const ibv_sge& sge) {
  auto guard = engine().lane.hold();
  MemoryTable& memory = engine().lane.memory;
  MemoryRegion* region = memory.region(sge.lkey);
  if (!region) return Error{memory.window(sge.lkey) ? EINVAL : EFAULT};
  if (region->pd != pd.domain) return Error{EPERM};
  if (!region->on_demand || region->layout) return Error{EINVAL};
  if (writes(advice) && !(region->access & kLocalWrite)) return Error{EPERM};
  if (!region->contains(sge.addr, sge.length)) return Error{EFAULT};
  return region->host(sge.addr);
}

}  // namespace

Result<void> advise_mr(Pd& pd, ibv_advise_mr_advice advice, uint32_t flags, const ibv_sge* list, uint32_t count) {
  if (flags & ~uint32_t{IBV_ADVISE_MR_FLAG_FLUSH}) return Error{EINVAL};
  if (advice > IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT) return Error{ENOTSUP};
  if (count == 0 || !list) return Error{EINVAL};
  for (uint32_t i = 0; i < count; ++i) {
    auto at = locate(pd, advice, list[i]);
    if (!at) return Error{at.error()};
    // Nothing maps pages for the device here, so that without faulting there is nothing to do.
    bool there = advice == IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT ? is_mapped(*at, list[i].length)
                                                                  : bring_in(*at, list[i].length, writes(advice));
    if (!there) return Error{EFAULT};
  }
  return {};
}

}  // namespace vb
