// SPDX-License-Identifier: BSD-2-Clause
// ibv_pd: protection domains, and parent domains, which stand for one and add a thread domain and allocators.
#pragma once

#include <infiniband/verbs.h>

#include <atomic>

#include "base/export.h"
#include "base/result.h"
#include "base/ring_memory.h"
#include "verbs/context.h"

namespace vb {

struct Td;

/// What the program's allocator is told a buffer is for (the lower half of resource_type; the upper is
/// RDMA_DRIVER_UNKNOWN, 0).
enum class RingKind : uint64_t { kSendQueue = 1, kReceiveQueue = 2, kSharedReceiveQueue = 3, kCompletionQueue = 4 };

/// The program's allocator, for one kind of ring.
struct ProgramRings final : RingSource {
  ibv_pd* pd = nullptr;
  const ibv_parent_domain_init_attr* program = nullptr;
  RingKind kind{};

  void* allocate(size_t size, size_t alignment) override;
  void release(void* memory) override;
};

struct Pd {
  ibv_pd abi{};
  std::atomic<int> uses{0};
  const void* domain = this;  ///< what memory and queue pairs of one protection domain have in common

  // Of a parent domain only.
  Pd* protection = nullptr;
  Td* td = nullptr;
  ibv_parent_domain_init_attr attr{};
  ProgramRings rings[4];

  /// Where a ring's memory comes from: nullptr for the heap.
  RingSource* source(RingKind kind) {
    return attr.comp_mask & IBV_PARENT_DOMAIN_INIT_ATTR_ALLOCATORS ? &rings[static_cast<size_t>(kind) - 1] : nullptr;
  }
  static Pd& from(ibv_pd* pd) { return *reinterpret_cast<Pd*>(pd); }
};

VB_API Result<Pd*> alloc_pd(Context& context);
/// ibv_alloc_parent_domain(3). EINVAL: no PD, allocators that are not there, a PD or TD of another context, or a mask
/// bit that is not known.
VB_API Result<Pd*> alloc_parent_domain(Context& context, const ibv_parent_domain_init_attr& attr);
/// Either kind. EBUSY while MRs, QPs, CQs, SRQs, AHs, MWs or parent domains use it.
VB_API Result<void> dealloc_pd(Pd& pd);

}  // namespace vb
