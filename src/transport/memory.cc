// SPDX-License-Identifier: BSD-2-Clause
#include "transport/memory.h"

#include <algorithm>

#include "base/mapping_watch.h"
#include "base/random.h"

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

using Exposure = MemoryRegion::Exposure;

constexpr size_t kMostIdle = 64;                     ///< registrations that a region keeps, in case of another transfer
constexpr uint64_t kMostPinned = uint64_t{1} << 28;  ///< bytes of them

/// Pinned pages would outlive a mapping that comes and goes: of such memory each transfer has just its own registered.
bool briefly(const MemoryRegion& region, const fabric::Endpoint& endpoint) {
  return region.on_demand && !endpoint.traits().registers_anything;
}

/// What is pinned is what the program has there. Not known of what is not watched.
bool intact(const Exposure& exposure) {
  return exposure.watched >= 0 && MappingWatch::instance().intact(exposure.watched);
}

void end(Exposure& exposure) {
  exposure.endpoint->unregister(exposure.registration);
  if (exposure.watched >= 0) MappingWatch::instance().forget(exposure.watched);
}

template <class Which>
void end_if(MemoryRegion& region, Which which) {
  region.exposures.remove_if([&](Exposure& exposure) {
    if (!which(exposure)) return false;
    end(exposure);
    return true;
  });
}

void end_idle(MemoryRegion& region) {
  end_if(region, [](const Exposure& exposure) { return exposure.uses == 0; });
}

/// The longest idle go, until what is left is within bounds.
void keep_bounds(MemoryRegion& region) {
  size_t idle = 0;
  uint64_t pinned = 0;
  for (const Exposure& exposure : region.exposures) {
    if (exposure.uses == 0) ++idle, pinned += exposure.size;
  }
  end_if(region, [&](const Exposure& exposure) {
    if (exposure.uses != 0 || (idle <= kMostIdle && pinned <= kMostPinned)) return false;
    --idle, pinned -= exposure.size;
    return true;
  });
}

/// What is registered for an access to [at, at+size).
fabric::Range range_for(const MemoryRegion& region, const fabric::Endpoint& endpoint, const void* at, uint64_t size) {
  if (briefly(region, endpoint)) return {reinterpret_cast<uint64_t>(at), size};
  return {region.address, region.offset_mask ? region.length : kNullExtent};
}

template <class Fits>
Exposure* find_exposure(MemoryRegion& region, const fabric::Endpoint& endpoint, unsigned access,
                        const fabric::Range& range, Fits fits) {
  for (Exposure& exposure : region.exposures) {
    if (exposure.endpoint == &endpoint && exposure.access == access && exposure.begin == range.begin &&
        exposure.size == range.size && fits(exposure))
      return &exposure;
  }
  return nullptr;
}

Exposure* add_exposure(MemoryRegion& region, fabric::Endpoint& endpoint, unsigned access, const fabric::Range& range) {
  void* begin = reinterpret_cast<void*>(range.begin);
  const unsigned how = region.may_fault ? access | fabric::kMayFault : access;
  // Watched before it is pinned: what happens in between must be seen.
  const int watched = briefly(region, endpoint) ? MappingWatch::instance().watch(begin, range.size) : -1;
  auto registration = endpoint.register_memory(begin, range.size, how);
  if (!registration && briefly(region, endpoint)) {
    end_idle(region);  // they may be what is too much
    registration = endpoint.register_memory(begin, range.size, how);
  }
  if (registration) {
    region.exposures.push_back(
        {&endpoint, access, range.begin, range.size, 0, watched, *registration, endpoint.weak_from_this().lock()});
    return &region.exposures.back();
  }
  if (watched >= 0) MappingWatch::instance().forget(watched);
  return nullptr;
}

}  // namespace

fabric::Registration* expose(MemoryRegion& region, fabric::Endpoint& endpoint, unsigned access, const void* at,
                             uint64_t size) {
  const bool brief = briefly(region, endpoint);
  if (brief) end_if(region, [](const Exposure& exposure) { return exposure.uses == 0 && !intact(exposure); });
  const bool looked_at = access == fabric::kLocal;  // before each transfer (present)
  if (!looked_at && !present(region, at, size, access == fabric::kRemoteWrite)) return nullptr;
  const fabric::Range range = range_for(region, endpoint, at, size);
  Exposure* exposure =
      find_exposure(region, endpoint, access, range, [&](const Exposure& each) { return !brief || intact(each); });
  if (!exposure) exposure = add_exposure(region, endpoint, access, range);
  if (!exposure) return nullptr;
  ++exposure->uses;
  return &exposure->registration;
}

void conceal(MemoryRegion& region, fabric::Endpoint& endpoint, unsigned access, const void* at, uint64_t size) {
  if (!briefly(region, endpoint)) return;
  // The oldest: another one for the same range was made because the memory has changed since.
  Exposure* exposure = find_exposure(region, endpoint, access, range_for(region, endpoint, at, size),
                                     [](const Exposure& each) { return each.uses > 0; });
  if (!exposure || --exposure->uses > 0) return;
  auto is_it = [&](const Exposure& each) { return &each == exposure; };
  if (!intact(*exposure)) return end_if(region, is_it);
  auto place = std::find_if(region.exposures.begin(), region.exposures.end(), is_it);
  region.exposures.splice(region.exposures.end(), region.exposures, place);
  keep_bounds(region);
}

void MemoryTable::forget(const fabric::Endpoint& endpoint) {
  for (const Slot& slot : slots_) {
    if (slot.key == 0 || slot.entry != slot.entry->region) continue;
    end_if(*slot.entry->region, [&](const Exposure& exposure) { return exposure.endpoint == &endpoint; });
  }
}

void unexpose(MemoryRegion& region) {
  end_if(region, [](const Exposure&) { return true; });
}

void release(MemoryRegion& region) {
  if (--region.references > 0) return;
  unexpose(region);
  if (region.sink) release(*region.sink);
  delete &region;
}

}  // namespace vb
