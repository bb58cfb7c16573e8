// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/mr.h"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "transport/engine.h"

namespace vb {

namespace {

constexpr unsigned kNeedsLocalWrite = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC;
constexpr unsigned kKnownAccess =
    IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC;
constexpr unsigned kUnsupported = IBV_ACCESS_ZERO_BASED | IBV_ACCESS_ON_DEMAND;

template <class A, class B>
constexpr bool same(A a, B b) {
  return static_cast<unsigned>(a) == static_cast<unsigned>(b);
}
static_assert(same(kLocalWrite, IBV_ACCESS_LOCAL_WRITE) && same(kRemoteWrite, IBV_ACCESS_REMOTE_WRITE) &&
              same(kRemoteRead, IBV_ACCESS_REMOTE_READ) && same(kRemoteAtomic, IBV_ACCESS_REMOTE_ATOMIC));

/// Without /proc: whether every page is mapped at all.
bool mapped_says_mincore(uint64_t begin, uint64_t end) {
  uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  begin &= ~(page - 1);
  unsigned char residency[1024];
  while (begin < end) {
    uint64_t part = std::min((end - begin + page - 1) & ~(page - 1), sizeof residency * page);
    if (mincore(reinterpret_cast<void*>(begin), part, residency) != 0 && errno == ENOMEM) return false;
    begin += part;
  }
  return true;
}

/// Whether every page of [address, address+length) is mapped, and may be written if need be. Registration on hardware
/// would pin them now, and fail with EFAULT.
bool mapped(uint64_t address, uint64_t length, bool writable) {
  uint64_t at = address, end = address + length;
  std::unique_ptr<FILE, int (*)(FILE*)> maps(fopen("/proc/self/maps", "re"), fclose);
  if (!maps) return mapped_says_mincore(at, end);
  char line[512];
  while (at < end && fgets(line, sizeof line, maps.get())) {
    unsigned long long from, to;
    char access[5];
    if (sscanf(line, "%llx-%llx %4s", &from, &to, access) != 3 || to <= at) continue;
    if (from > at || access[0] != 'r' || (writable && access[1] != 'w')) return false;
    at = to;
  }
  return at >= end;
}

}  // namespace

Result<Mr*> reg_mr(Pd& pd, void* addr, size_t length, uint64_t iova, unsigned access) {
  auto start = reinterpret_cast<uint64_t>(addr);
  if ((access & kNeedsLocalWrite) && !(access & IBV_ACCESS_LOCAL_WRITE)) return Error{EINVAL};
  if (access & kUnsupported) return Error{EOPNOTSUPP};
  if (start + length < start || iova + length < iova) return Error{EINVAL};
  if (length != 0 && !mapped(start, length, (access & IBV_ACCESS_LOCAL_WRITE) != 0)) return Error{EFAULT};
  auto region = std::make_unique<MemoryRegion>();
  region->address = start;
  region->length = length;
  region->iova = iova;
  region->access = access & kKnownAccess;
  region->pd = pd.domain;
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
  while (mr.region->remote_users != 0 && !lane.closed()) {
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
