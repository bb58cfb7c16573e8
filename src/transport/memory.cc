// SPDX-License-Identifier: BSD-2-Clause
#include "transport/memory.h"

#include "base/random.h"

namespace vb {

void MemoryTable::KeyMap::place(uint32_t key, MemoryRegion* region) {
  size_t i = key & mask();
  while (slots_[i].key) i = (i + 1) & mask();
  slots_[i] = {key, region};
}

void MemoryTable::KeyMap::grow() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.key) place(slot.key, slot.region);
  }
}

uint32_t MemoryTable::KeyMap::insert(MemoryRegion& region) {
  if ((count_ + 1) * 2 > slots_.size()) grow();
  uint32_t key;
  do {
    key = random_value<uint32_t>();
  } while (key == 0 || find(key));
  place(key, &region);
  ++count_;
  return key;
}

void MemoryTable::KeyMap::erase(uint32_t key) {
  size_t hole = key & mask();
  while (slots_[hole].key != key) {
    if (slots_[hole].key == 0) return;  // of a table that a fork has left behind
    hole = (hole + 1) & mask();
  }
  // Close the gap, so that probing needs no tombstones.
  for (size_t i = (hole + 1) & mask(); slots_[i].key; i = (i + 1) & mask()) {
    size_t home = slots_[i].key & mask();
    if (((i - home) & mask()) < ((i - hole) & mask())) continue;
    slots_[hole] = slots_[i];
    hole = i;
  }
  slots_[hole] = {};
  --count_;
}

void MemoryTable::add(MemoryRegion& region) {
  region.lkey = local_.insert(region);
  region.rkey = remote_.insert(region);
}

void MemoryTable::remove(MemoryRegion& region) {
  local_.erase(region.lkey);
  remote_.erase(region.rkey);
}

fabric::Registration* expose(MemoryRegion& region, fabric::Endpoint& endpoint, unsigned access) {
  for (MemoryRegion::Exposure& exposure : region.exposures) {
    if (exposure.endpoint == &endpoint && exposure.access == access) return &exposure.registration;
  }
  auto registration = endpoint.register_memory(reinterpret_cast<void*>(region.address), region.length, access);
  if (!registration) return nullptr;
  region.exposures.push_back({&endpoint, access, *registration});
  return &region.exposures.back().registration;
}

void release(MemoryRegion& region) {
  if (--region.references > 0) return;
  for (MemoryRegion::Exposure& exposure : region.exposures) exposure.endpoint->unregister(exposure.registration);
  delete &region;
}

}  // namespace vb
