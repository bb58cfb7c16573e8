// SPDX-License-Identifier: BSD-2-Clause
// ibv_buf: memory that the device allocates for the program.
#pragma once

#include <infiniband/verbs.h>
#include <infiniband/verbs_newer.h>

#include "base/export.h"
#include "base/result.h"
#include "verbs/exportable_memory.h"
#include "verbs/pd.h"

namespace vb {

struct Buf {
  Pd* pd;
  ExportableMemory memory;
  size_t size;  ///< as asked for

  static Buf& from(ibv_buf* buf) { return *reinterpret_cast<Buf*>(buf); }
};

/// EINVAL: size 0. ENOMEM. The PD is in use until free_buf.
VB_API Result<Buf*> alloc_buf(Pd& pd, size_t size);
VB_API void free_buf(Buf& buf);
/// Whether it is ours and alive: the handle says nothing about its device.
VB_API bool is_buf(const ibv_buf* buf);
/// Whether [addr, addr+length) lies inside.
VB_API bool contains(const Buf& buf, const void* addr, size_t length);
/// A new fd. Errors: see ExportableMemory::export_dmabuf.
VB_API Result<int> export_buf(Buf& buf);

}  // namespace vb
