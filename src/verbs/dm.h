// SPDX-License-Identifier: BSD-2-Clause
// ibv_dm: device memory. The device's memory is the host's here; what is kept is its rules.
#pragma once

#include <infiniband/verbs.h>

#include <atomic>
#include <memory>

#include "base/export.h"
#include "base/result.h"
#include "verbs/exportable_memory.h"
#include "verbs/mr.h"

namespace vb {

/// The memory itself, alive while a handle or a region names it.
struct DeviceMemory {
  ~DeviceMemory();
  unsigned char* at() const { return pages.address(); }
  size_t length = 0;
  std::atomic<int> regions{0};
  ExportableMemory pages;
};

struct Dm {
  ibv_dm abi{};
  std::shared_ptr<DeviceMemory> memory;

  static Dm& from(ibv_dm* dm) { return *reinterpret_cast<Dm*>(dm); }
};

/// EINVAL: length 0, a comp_mask that is not known, or an alignment above a page's. ENOMEM: more than max_dm_size in
/// this process.
VB_API Result<Dm*> alloc_dm(Context& context, const ibv_alloc_dm_attr& attr);
/// EBUSY while a region of it is registered.
VB_API Result<void> free_dm(Dm& dm);
/// The region is zero-based, and must be asked for as such. EINVAL otherwise, and beyond the memory.
VB_API Result<Mr*> reg_dm_mr(Pd& pd, Dm& dm, uint64_t offset, size_t length, unsigned access);
/// Both: offset and length are multiples of 4, as on hardware. EINVAL otherwise, and beyond the memory; EFAULT when the
/// host's memory is not there.
VB_API Result<void> memcpy_to_dm(Dm& dm, uint64_t offset, const void* from, size_t length);
VB_API Result<void> memcpy_from_dm(void* to, Dm& dm, uint64_t offset, size_t length);

/// A new fd of its DMA buffer. Errors: see ExportableMemory::export_dmabuf.
VB_API Result<int> export_dm(Dm& dm);

/// ENOENT: no such handle. EOPNOTSUPP: it is another process's, whose memory this one has not got.
VB_API Result<Dm*> import_dm(Context& context, uint32_t handle);
VB_API void unimport_dm(Dm& dm);

}  // namespace vb
