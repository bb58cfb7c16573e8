// SPDX-License-Identifier: BSD-2-Clause
// ibv_pd: protection domains, and parent domains, which stand for one and add a thread domain and allocators. A domain
// may be seen through several handles: ibv_import_pd(3).
#pragma once

#include <infiniband/verbs.h>

#include <atomic>
#include <memory>

#include "base/export.h"
#include "base/result.h"
#include "base/ring_memory.h"
#include "verbs/context.h"

namespace vb {

struct Pd;
struct Td;

/// A protection domain itself. What memory and queue pairs have in common is its address.
struct Domain {
  std::atomic<int> uses{0};  ///< through all handles
};

/// Counts the objects made through a handle, and those of the domain. A handle that the program has given up while
/// objects still name it goes with the last of them.
class PdUses {
 public:
  PdUses(Pd& pd, Domain& domain) : pd_(pd), domain_(domain) {}
  void operator+=(int change);
  void operator++() { *this += 1; }
  void operator--() { *this += -1; }
  int load() const { return domain_.uses.load(); }
  /// The program gives the handle up: frees it, now or with the last object.
  void give_up();

 private:
  Pd& pd_;
  Domain& domain_;
  std::atomic<int> own_{1};  ///< the program's, and one for each object
};

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
  explicit Pd(std::shared_ptr<Domain> of = std::make_shared<Domain>()) : shared(std::move(of)), uses(*this, *shared) {}

  ibv_pd abi{};
  std::shared_ptr<Domain> shared;
  const void* domain = shared.get();  ///< what memory and queue pairs of one protection domain have in common
  PdUses uses;

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
/// Either kind. EBUSY while MRs, QPs, CQs, SRQs, AHs, MWs or parent domains use it, through any handle.
VB_API Result<void> dealloc_pd(Pd& pd);

/// Another handle of the domain that has this handle number in the contexts that share a command descriptor. ENOENT:
/// none. A domain of another process becomes a domain of this one: what is made in it here stays here.
VB_API Result<Pd*> import_pd(Context& context, uint32_t handle);
/// Gives the handle up and leaves the domain alone.
VB_API void unimport_pd(Pd& pd);

}  // namespace vb
