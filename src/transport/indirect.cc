// SPDX-License-Identifier: BSD-2-Clause
#include "transport/indirect.h"

#include <algorithm>
#include <cstring>

#include "base/safe_copy.h"
#include "transport/lane.h"
#include "transport/queue_pair.h"

namespace vb {

namespace {

/// Calls visit(real region, host address, size) for each piece of [at, at+size), in order, until one is false.
template <class Visit>
bool for_each_piece(const MemoryTable& memory, const MemoryRegion& region, const void* at, uint64_t size,
                    unsigned access, Visit visit) {
  if (size == 0) return true;
  const IndirectLayout& layout = *region.layout;
  const uint64_t offset = reinterpret_cast<uint64_t>(at) - region.address, cycle = layout.cycle();
  uint64_t skip = offset % cycle;
  for (uint64_t round = offset / cycle;; ++round) {
    for (const IndirectLayout::Block& block : layout.blocks) {
      if (skip >= block.length) {
        skip -= block.length;
        continue;
      }
      const uint64_t part = std::min(size, block.length - skip);
      const uint64_t address = block.address + round * block.stride + skip;
      MemoryRegion* real = memory.local(block.key, region.pd, address, part, access);
      if (!real || real->layout || !visit(*real, real->host(address), part)) return false;
      size -= part, skip = 0;
      if (size == 0) return true;
    }
  }
}

}  // namespace

uint64_t IndirectLayout::cycle() const {
  uint64_t length = 0;
  for (const Block& block : blocks) length += block.length;
  return length;
}

bool fill_indirect(QueuePair& qp, IndirectFill& fill) {
  MemoryRegion* region = qp.config.lane->memory.region(fill.key);
  if (!region || !region->layout || region->pd != qp.config.pd) return false;
  region->address = region->iova = fill.iova;
  region->length = fill.layout.cycle() * fill.layout.repeats;
  region->access = fill.access;
  *region->layout = std::move(fill.layout);
  return true;
}

bool resolve_indirect(const MemoryTable& memory, const MemoryRegion& region, const void* at, uint64_t size,
                      unsigned access, std::vector<RealPiece>& pieces) {
  return for_each_piece(memory, region, at, size, access, [&](MemoryRegion& real, unsigned char* where, uint64_t part) {
    pieces.push_back({&real, where, part});
    return true;
  });
}

bool fetch_indirect(const MemoryTable& memory, const MemoryRegion& region, void* to, const void* at, uint64_t size) {
  auto* next = static_cast<unsigned char*>(to);
  return for_each_piece(memory, region, at, size, kLocalRead, [&](MemoryRegion& real, const void* from, uint64_t part) {
    if (real.may_fault && !safe_read(next, from, part)) return false;
    if (!real.may_fault) memcpy(next, from, part);
    next += part;
    return true;
  });
}

bool store_indirect(const MemoryTable& memory, const MemoryRegion& region, void* at, const void* from, uint64_t size) {
  const auto* next = static_cast<const unsigned char*>(from);
  return for_each_piece(memory, region, at, size, kLocalWrite, [&](MemoryRegion& real, void* to, uint64_t part) {
    if (real.may_fault && !safe_write(to, next, part)) return false;
    if (!real.may_fault) memcpy(to, next, part);
    next += part;
    return true;
  });
}

unsigned char* reach(const MemoryTable& memory, const MemoryRegion& region, unsigned char* at, uint64_t size) {
  if (!region.layout) return bring_in(at, size, true) ? at : nullptr;
  unsigned char* found = nullptr;
  for_each_piece(memory, region, at, size, kLocalWrite, [&](MemoryRegion& real, unsigned char* where, uint64_t part) {
    if (part == size && (!real.may_fault || bring_in(where, size, true))) found = where;
    return false;
  });
  return found;
}

}  // namespace vb
