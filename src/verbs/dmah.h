// SPDX-License-Identifier: BSD-2-Clause
// ibv_dmah: where the program would like a region's DMA to go. Nothing here does DMA: the CPU says where the region is
// at home (placement.h), the other hints are kept, for whoever asks for them.
#pragma once

#include <infiniband/verbs.h>
#include <infiniband/verbs_newer.h>

#include <atomic>

#include "base/export.h"
#include "base/result.h"
#include "verbs/context.h"
#include "verbs/mr.h"

namespace vb {

struct Dmah {
  ibv_dmah abi{};
  ibv_dmah_init_attr hints{};
  std::atomic<int> uses{0};  ///< memory regions

  static Dmah& from(ibv_dmah* dmah) { return *reinterpret_cast<Dmah*>(dmah); }
};

/// EOPNOTSUPP: a hint that is not known. EINVAL: no such CPU, a processing hint above 3, no such memory type.
VB_API Result<Dmah*> alloc_dmah(Context& context, const ibv_dmah_init_attr& attr);
VB_API Result<void> dealloc_dmah(Dmah& dmah);  ///< EBUSY while a region uses it

/// The region has the hints of this handle from now on, and uses it. drop_hints: when the region goes.
VB_API void keep_hints(Mr& mr, Dmah& dmah);
void drop_hints(Mr& mr);

}  // namespace vb
