// SPDX-License-Identifier: BSD-2-Clause
// ibv_mr: memory regions.
#pragma once

#include <infiniband/verbs.h>

#include "base/export.h"
#include "base/result.h"
#include "transport/memory.h"
#include "verbs/pd.h"

namespace vb {

struct Mr {
  ibv_mr abi{};
  MemoryRegion* region = nullptr;

  static Mr& from(ibv_mr* mr) { return *reinterpret_cast<Mr*>(mr); }
};

/// Registers [addr, addr+length) under remote address `iova`. Both keys are random. Optional access bits that are not
/// known are masked. EINVAL for REMOTE_WRITE or REMOTE_ATOMIC without LOCAL_WRITE, EFAULT for memory that is not
/// mapped.
VB_API Result<Mr*> reg_mr(Pd& pd, void* addr, size_t length, uint64_t iova, unsigned access);
/// Afterwards no peer touches the memory: waits for remote operations under way.
VB_API Result<void> dereg_mr(Mr& mr);

}  // namespace vb
