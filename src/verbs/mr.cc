// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/mr.h"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "transport/engine.h"

namespace vb {

namespace {

constexpr unsigned kNeedsLocalWrite = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC;
constexpr unsigned kKnownAccess = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ |
                                  IBV_ACCESS_REMOTE_ATOMIC;
constexpr unsigned kUnsupported = IBV_ACCESS_MW_BIND | IBV_ACCESS_ZERO_BASED | IBV_ACCESS_ON_DEMAND;

template <class A, class B>
constexpr bool same(A a, B b) {
  return static_cast<unsigned>(a) == static_cast<unsigned>(b);
}
static_assert(same(kLocalWrite, IBV_ACCESS_LOCAL_WRITE) && same(kRemoteWrite, IBV_ACCESS_REMOTE_WRITE) &&
              same(kRemoteRead, IBV_ACCESS_REMOTE_READ) && same(kRemoteAtomic, IBV_ACCESS_REMOTE_ATOMIC));

/// Whether every page of [address, address+length) is mapped. Registration on hardware would pin them now.
bool mapped(uint64_t address, uint64_t length) {
  uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  uint64_t begin = address & ~(page - 1);
  uint64_t end = (address + length + page - 1) & ~(page - 1);
  unsigned char residency[1024];
  while (begin < end) {
    uint64_t part = std::min(end - begin, sizeof residency * page);
    if (mincore(reinterpret_cast<void*>(begin), part, residency) != 0 && errno == ENOMEM) return false;
    begin += part;
  }
  return true;
}

}  // namespace

Result<Mr*> reg_mr(Pd& pd, void* addr, size_t length, uint64_t iova, unsigned access) {
  auto start = reinterpret_cast<uint64_t>(addr);
  if ((access & kNeedsLocalWrite) && !(access & IBV_ACCESS_LOCAL_WRITE)) return Error{EINVAL};
  if (access & kUnsupported) return Error{EOPNOTSUPP};
  if (length == 0 || start + length < start || iova + length < iova) return Error{EINVAL};
  if (!mapped(start, length)) return Error{EFAULT};
  auto region = std::make_unique<MemoryRegion>();
  region->address = start;
  region->length = length;
  region->iova = iova;
  region->access = access & kKnownAccess;
  region->pd = &pd;
  auto mr = std::make_unique<Mr>();
  {
    auto guard = engine().lane.hold();
    engine().lane.memory.add(*region);
  }
  ++pd.uses;
  mr->abi.context = pd.abi.context;
  mr->abi.pd = &pd.abi;
  mr->abi.addr = addr;
  mr->abi.length = length;
  mr->abi.lkey = region->lkey;
  mr->abi.rkey = region->rkey;
  mr->abi.handle = region->lkey;
  mr->region = region.release();
  return mr.release();
}

Result<void> dereg_mr(Mr& mr) {
  Lane& lane = engine().lane;
  auto guard = lane.hold();
  lane.memory.remove(*mr.region);
  while (mr.region->remote_users != 0) {
    lane.drain();
    guard.unlock();
    sched_yield();
    guard.lock();
  }
  release(*mr.region);
  guard.unlock();
  --Pd::from(mr.abi.pd).uses;
  delete &mr;
  return {};
}

}  // namespace vb
