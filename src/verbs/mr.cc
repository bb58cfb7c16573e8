// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/mr.h"

#include <sys/mman.h>

#include <memory>

#include "base/fault_guard.h"
#include "transport/engine.h"
#include "verbs/dmah.h"
#include "verbs/mappings.h"
#include "verbs/placement.h"
#include "verbs/share.h"

namespace vb {

namespace {

constexpr unsigned kNeedsLocalWrite = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC;

template <class A, class B>
constexpr bool same(A a, B b) {
  return static_cast<unsigned>(a) == static_cast<unsigned>(b);
}
static_assert(same(kLocalWrite, IBV_ACCESS_LOCAL_WRITE) && same(kRemoteWrite, IBV_ACCESS_REMOTE_WRITE) &&
              same(kRemoteRead, IBV_ACCESS_REMOTE_READ) && same(kRemoteAtomic, IBV_ACCESS_REMOTE_ATOMIC) &&
              same(kBindWindow, IBV_ACCESS_MW_BIND));

/// What a registration covers and grants. Hardware would pin the pages now, and fail with EFAULT.
Result<void> describe(MemoryRegion& region, uint64_t start, size_t length, uint64_t iova, unsigned access) {
  if (!access_fits(access) || start + length < start || iova + length < iova) return Error{EINVAL};
  region.on_demand = (access & IBV_ACCESS_ON_DEMAND) != 0;
  if (length != 0 && !region.on_demand && !mapped(start, length, (access & IBV_ACCESS_LOCAL_WRITE) != 0)) {
    return Error{EFAULT};
  }
  if ((access & kFlushPersistent) && !file_backed(start, length)) return Error{EINVAL};
  region.address = start;
  region.length = length;
  region.iova = (access & IBV_ACCESS_ZERO_BASED) ? 0 : iova;
  region.access = access & kKnownAccess;
  region.may_fault = region.on_demand;
  if (region.on_demand) fault_guard::install();
  return {};
}

/// Waits until no operation of a peer uses the region. The lane's lock is let go meanwhile.
void wait_for_users(MemoryRegion& region, std::unique_lock<Lane>& guard) {
  Lane& lane = engine().lane;
  auto used = [&] { return region.remote_users != 0 || (region.sink && region.sink->remote_users != 0); };
  lane.wait(
      guard, [&] { return !used(); },
      [&] {
        lane.cut_off(&region);
        if (region.sink) lane.cut_off(region.sink);
      });
}

}  // namespace

bool access_fits(unsigned access) { return !(access & kNeedsLocalWrite) || (access & IBV_ACCESS_LOCAL_WRITE); }

Result<Mr*> enter_region(Pd& pd, std::unique_ptr<MemoryRegion> region) {
  region->pd = pd.domain;
  auto mr = std::make_unique<Mr>();
  {
    auto guard = engine().lane.hold();
    if (!engine().lane.memory.add(*region)) return Error{ENOMEM};
  }
  ++pd.uses;
  mr->abi.context = pd.abi.context;
  mr->abi.pd = &pd.abi;
  mr->abi.addr = reinterpret_cast<void*>(region->address);
  mr->abi.length = region->length;
  mr->abi.lkey = mr->abi.rkey = region->key;
  mr->shared->length = region->length;
  mr->shared->region = region.release();
  mr->abi.handle = Context::from(pd.abi.context).share->add(mr->shared);
  return mr.release();
}

Result<Mr*> reg_mr(Pd& pd, void* addr, size_t length, uint64_t iova, unsigned access) {
  auto region = std::make_unique<MemoryRegion>();
  auto described = describe(*region, reinterpret_cast<uint64_t>(addr), length, iova, access);
  if (!described) return Error{described.error()};
  return enter_region(pd, std::move(region));
}

Result<Mr*> alloc_null_mr(Pd& pd) {
  auto arenas = null_arenas();
  if (!arenas) return Error{arenas.error()};
  auto region = std::make_unique<MemoryRegion>();
  auto sink = std::make_unique<MemoryRegion>();
  region->address = arenas->zeros;
  sink->address = arenas->sink;
  for (MemoryRegion* each : {region.get(), sink.get()}) {
    each->length = SIZE_MAX;
    each->offset_mask = 0;
    each->access = kLocalWrite;
  }
  region->sink = sink.release();
  auto mr = enter_region(pd, std::move(region));
  if (!mr) return mr;
  (*mr)->abi.addr = nullptr;
  (*mr)->abi.rkey = 0;
  return mr;
}

Result<void> rereg_mr(Mr& mr, int flags, Pd* pd, void* addr, size_t length, unsigned access) {
  MemoryRegion& old = mr.region();
  if (old.offset_mask == 0 || old.backing || old.layout) return Error{EINVAL};
  bool moves = (flags & IBV_REREG_MR_CHANGE_TRANSLATION) != 0;
  bool changes_access = (flags & IBV_REREG_MR_CHANGE_ACCESS) != 0;
  bool emigrates = (flags & IBV_REREG_MR_CHANGE_PD) != 0;
  uint64_t start = moves ? reinterpret_cast<uint64_t>(addr) : old.address;
  auto fresh = std::make_unique<MemoryRegion>();
  unsigned granted = changes_access ? access : old.access | (old.on_demand ? unsigned{IBV_ACCESS_ON_DEMAND} : 0);
  auto described = describe(*fresh, start, moves ? length : old.length, moves ? start : old.iova, granted);
  if (!described) return described;
  fresh->pd = emigrates ? pd->domain : old.pd;
  auto guard = engine().lane.hold();
  if (old.windows != 0) return Error{EBUSY};
  // What is under way ends with the old region; what comes finds the new one.
  engine().lane.memory.replace(old, *fresh);
  mr.shared->region = fresh.release();
  wait_for_users(old, guard);
  release(old);
  guard.unlock();
  if (emigrates) {
    ++pd->uses;
    --Pd::from(mr.abi.pd).uses;
    mr.abi.pd = &pd->abi;
  }
  if (moves) mr.abi.addr = addr, mr.abi.length = mr.shared->length = length;
  return {};
}

Result<void> dereg_mr(Mr& mr) {
  Lane& lane = engine().lane;
  MemoryRegion& region = mr.region();
  auto guard = lane.hold();
  if (region.windows != 0) return Error{EBUSY};
  lane.memory.remove(region);
  wait_for_users(region, guard);
  release(region);
  guard.unlock();
  Context::from(mr.abi.context).share->remove(mr.abi.handle);
  --Pd::from(mr.abi.pd).uses;
  drop_hints(mr);
  forget_placement(mr);
  delete &mr;
  return {};
}

Result<Mr*> import_mr(Pd& pd, uint32_t handle) {
  Share& share = *Context::from(pd.abi.context).share;
  auto found = share.find<SharedRegion>(handle);
  if (!found) return Error{share.foreign ? EOPNOTSUPP : ENOENT};
  auto* mr = new Mr;
  mr->shared = std::move(found);
  mr->abi.context = pd.abi.context;
  mr->abi.pd = &pd.abi;
  mr->abi.length = mr->shared->length;
  mr->abi.lkey = mr->abi.rkey = mr->region().key;
  mr->abi.handle = handle;
  return mr;
}

void unimport_mr(Mr& mr) {
  forget_placement(mr);
  delete &mr;
}

}  // namespace vb
