// SPDX-License-Identifier: BSD-2-Clause
#include "transport/memory.h"

#include "base/random.h"
#include "base/safe_copy.h"

namespace vb {

namespace {
uint32_t index_of(uint32_t key) { return key >> 8; }
}  // namespace

size_t MemoryTable::place_of(uint32_t key) const {
  size_t i = home(key);
  while (slots_[i].key && index_of(slots_[i].key) != index_of(key)) i = (i + 1) & mask();
  return i;
}

void MemoryTable::grow() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.key) slots_[place_of(slot.key)] = slot;
  }
}

bool MemoryTable::add(MemoryKey& entry) {
  if (count_ >= kMost) return false;
  if ((count_ + 1) * 2 > slots_.size()) grow();
  size_t place;
  do {
    entry.key = random_value<uint32_t>();
    place = place_of(entry.key);
  } while (index_of(entry.key) == 0 || slots_[place].key);
  slots_[place] = {entry.key, entry.region != &entry, &entry};
  ++count_;
  return true;
}

void MemoryTable::remove(const MemoryKey& entry) {
  size_t hole = place_of(entry.key);
  if (slots_[hole].entry != &entry) return;  // of a table that a fork has left behind
  // Close the gap, so that probing needs no tombstones.
  for (size_t i = (hole + 1) & mask(); slots_[i].key; i = (i + 1) & mask()) {
    if (((i - home(slots_[i].key)) & mask()) < ((i - hole) & mask())) continue;
    slots_[hole] = slots_[i];
    hole = i;
  }
  slots_[hole] = {};
  --count_;
}

void MemoryTable::replace(const MemoryKey& entry, MemoryKey& fresh) {
  fresh.key = entry.key;
  slots_[place_of(entry.key)].entry = &fresh;
}

void MemoryTable::rename(MemoryKey& entry, uint32_t key) {
  slots_[place_of(entry.key)].key = key;
  entry.key = key;
}

MemoryWindow* MemoryTable::window(uint32_t key) const {
  const Slot& slot = slots_[place_of(key)];
  return slot.window ? static_cast<MemoryWindow*>(slot.entry) : nullptr;
}

MemoryRegion* MemoryTable::look_at(MemoryRegion& region, unsigned access) const {
  if (region.offset_mask == 0) return (access & kLocalWrite) ? region.sink : &region;
  region.epoch = epoch.load(std::memory_order_relaxed);
  region.may_fault =
      region.on_demand || (!region.backing && !is_mapped(reinterpret_cast<void*>(region.address), region.length));
  return &region;
}

namespace {

/// Pinned pages would outlive a mapping that comes and goes: such memory is registered for each transfer.
bool briefly(const MemoryRegion& region, const fabric::Endpoint& endpoint) {
  return region.on_demand && !endpoint.traits().registers_anything;
}

MemoryRegion::Exposure* find_exposure(MemoryRegion& region, const fabric::Endpoint& endpoint, unsigned access,
                                      const fabric::Range& range) {
  for (MemoryRegion::Exposure& exposure : region.exposures) {
    if (exposure.endpoint == &endpoint && exposure.access == access && exposure.begin == range.begin &&
        exposure.size == range.size)
      return &exposure;
  }
  return nullptr;
}

/// What is registered for an access to [at, at+size).
fabric::Range range_for(const MemoryRegion& region, const fabric::Endpoint& endpoint, const void* at, uint64_t size) {
  if (briefly(region, endpoint)) return {reinterpret_cast<uint64_t>(at), size};
  return {region.address, region.offset_mask ? region.length : kNullExtent};
}

}  // namespace

bool present(const MemoryRegion& region, const fabric::Endpoint& endpoint, const void* at, uint64_t size,
             bool writable) {
  if (!region.may_fault) return true;
  return endpoint.traits().faults_are_errors ? is_mapped(at, size) : bring_in(at, size, writable);
}

fabric::Registration* expose(MemoryRegion& region, fabric::Endpoint& endpoint, unsigned access, const void* at,
                             uint64_t size) {
  if (access != fabric::kLocal && !present(region, endpoint, at, size, access == fabric::kRemoteWrite)) return nullptr;
  fabric::Range range = range_for(region, endpoint, at, size);
  if (MemoryRegion::Exposure* known = find_exposure(region, endpoint, access, range)) {
    ++known->uses;
    return &known->registration;
  }
  unsigned how = region.may_fault ? access | fabric::kMayFault : access;
  auto registration = endpoint.register_memory(reinterpret_cast<void*>(range.begin), range.size, how);
  if (!registration) return nullptr;
  region.exposures.push_back({&endpoint, access, range.begin, range.size, 1, *registration});
  return &region.exposures.back().registration;
}

void conceal(MemoryRegion& region, fabric::Endpoint& endpoint, unsigned access, const void* at, uint64_t size) {
  if (!briefly(region, endpoint)) return;
  MemoryRegion::Exposure* exposure = find_exposure(region, endpoint, access, range_for(region, endpoint, at, size));
  if (!exposure || --exposure->uses > 0) return;
  endpoint.unregister(exposure->registration);
  region.exposures.remove_if([&](const MemoryRegion::Exposure& each) { return &each == exposure; });
}

void unexpose(MemoryRegion& region) {
  for (MemoryRegion::Exposure& exposure : region.exposures) exposure.endpoint->unregister(exposure.registration);
  region.exposures.clear();
}

void release(MemoryRegion& region) {
  if (--region.references > 0) return;
  unexpose(region);
  if (region.sink) release(*region.sink);
  delete &region;
}

}  // namespace vb
