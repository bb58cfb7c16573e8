// SPDX-License-Identifier: BSD-2-Clause
// ibv_mr: memory regions.
#pragma once

#include <infiniband/verbs.h>

#include <memory>

#include "base/export.h"
#include "base/result.h"
#include "transport/memory.h"
#include "verbs/pd.h"

namespace vb {

struct Dmah;

/// A registration as it can be imported: through several handles.
struct SharedRegion {
  MemoryRegion* region = nullptr;
  uint64_t length = 0;
};

/// What a program said of a region's home, and what came of it (placement.h).
struct MrPlacement {
  int cpu = -1, node = -1;
  int pages = 0;  ///< verbatim_pages
  int pages_errno = 0;
};

struct Mr {
  ibv_mr abi{};
  std::shared_ptr<SharedRegion> shared = std::make_shared<SharedRegion>();
  Dmah* dmah = nullptr;  ///< with the hints that it was registered with
  MrPlacement placement;
  uint32_t most_pieces = 0;  ///< of other regions that it may stand for (indirect_mr.h)

  MemoryRegion& region() { return *shared->region; }
  static Mr& from(ibv_mr* mr) { return *reinterpret_cast<Mr*>(mr); }
};

/// Registers [addr, addr+length) under remote address `iova` (0 if it is zero-based). lkey and rkey are the same random
/// key. Optional access bits that are not known are masked. EINVAL for REMOTE_WRITE or REMOTE_ATOMIC without
/// LOCAL_WRITE, and for persistent flushes of memory that no file is behind; EFAULT for memory that is not mapped,
/// unless it is on demand. On demand, addr 0 and length SIZE_MAX register the whole address space.
VB_API Result<Mr*> reg_mr(Pd& pd, void* addr, size_t length, uint64_t iova, unsigned access);
/// A dma-buf that can be mapped. EBADF: no descriptor, EINVAL: not a dma-buf or outside of it, EOPNOTSUPP: its exporter
/// does not let processors map it.
VB_API Result<Mr*> reg_dmabuf_mr(Pd& pd, uint64_t offset, size_t length, uint64_t iova, int fd, unsigned access);
/// Discards what is written to it, and reads as zeros.
VB_API Result<Mr*> alloc_null_mr(Pd& pd);
/// Changes what `flags` name; the keys stay. Waits for remote operations under way. Errors leave the region as it is:
/// EINVAL, EFAULT as for reg_mr; EBUSY while a window is bound to it.
VB_API Result<void> rereg_mr(Mr& mr, int flags, Pd* pd, void* addr, size_t length, unsigned access);
/// ibv_advise_mr(3). Returns when the pages are there, whether or not the flags ask for that.
VB_API Result<void> advise_mr(Pd& pd, ibv_advise_mr_advice advice, uint32_t flags, const ibv_sge* list, uint32_t count);
/// Afterwards no peer touches the memory: waits for remote operations under way. EBUSY while a window is bound to it.
VB_API Result<void> dereg_mr(Mr& mr);

/// Another handle of the region that has this handle number in the contexts that share a command descriptor. ENOENT:
/// none. EOPNOTSUPP: it is another process's, whose memory this one has not got.
VB_API Result<Mr*> import_mr(Pd& pd, uint32_t handle);
/// Gives the handle up and leaves the registration alone.
VB_API void unimport_mr(Mr& mr);

/// Puts a region that is filled in but for its key and domain into the table, and makes its handle.
Result<Mr*> enter_region(Pd& pd, std::unique_ptr<MemoryRegion> region);
/// What registration checks of access flags alone.
bool access_fits(unsigned access);
inline constexpr unsigned kFlushAccess = kFlushGlobal | kFlushPersistent;
inline constexpr unsigned kKnownAccess = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ |
                                         IBV_ACCESS_REMOTE_ATOMIC | IBV_ACCESS_MW_BIND | IBV_ACCESS_ZERO_BASED |
                                         kFlushAccess;

}  // namespace vb
