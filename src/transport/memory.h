// SPDX-License-Identifier: BSD-2-Clause
// Registered memory: the one table that every key leads into, and the check that every access passes.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "base/list.h"
#include "base/safe_copy.h"
#include "fabric/endpoint.h"
#include "transport/indirect.h"

namespace vb {

/// What an access needs; the values are those of ibv_access_flags.
enum MemoryAccess : unsigned {
  kLocalRead = 0,
  kLocalWrite = 1,
  kRemoteWrite = 2,
  kRemoteRead = 4,
  kRemoteAtomic = 8,
  kBindWindow = 16,
  kFlushGlobal = 1 << 8,
  kFlushPersistent = 1 << 9,
};

struct MemoryRegion;

/// What a key stands for: a registration, or a memory window. Guarded by the lane's lock.
struct MemoryKey {
  uint64_t address = 0;  ///< where its first byte is
  uint64_t length = 0;
  uint64_t iova = 0;  ///< the address by which SGEs and peers name its first byte
  uint64_t offset_mask = ~uint64_t{0};
  unsigned access = 0;
  uint32_t key = 0;  ///< the low 8 bits are the program's to change (type 2 windows), the others name the entry
  const void* pd = nullptr;
  const void* qp = nullptr;        ///< a bound window of type 2: the only queue pair that it serves
  MemoryRegion* region = nullptr;  ///< whose memory it is; nullptr: a window that is not bound

  bool contains(uint64_t at, uint64_t size) const { return at >= iova && size <= length && at - iova <= length - size; }
  unsigned char* host(uint64_t at) const {
    return reinterpret_cast<unsigned char*>(address + ((at - iova) & offset_mask));
  }
};

/// One registration. Reference counted: a transfer under way keeps the fabric's registrations alive when the program
/// has deregistered.
struct MemoryRegion : MemoryKey {
  MemoryRegion() { region = this; }
  uint32_t references = 1;    ///< the program's, and one for each transfer of the requester
  uint32_t remote_users = 0;  ///< responder operations under way: deregistration waits for them
  uint32_t windows = 0;       ///< bound to it
  /// Pages may be missing: copies go through the kernel (base/safe_copy.h), and a bad address is a failed access.
  bool may_fault = false;
  bool on_demand = false;  ///< may_fault for good: on-demand and global regions, and those of other regions' pieces
  /// Other processes cannot reach into it by system calls, as is so of pages that are a device's.
  bool out_of_reach = false;
  uint32_t epoch = 0;  ///< when it was last looked at (MemoryTable::epoch)
  /// What is written to a null region goes there. It is looked at anew with every access.
  MemoryRegion* sink = nullptr;
  /// It has no memory of its own but stands for pieces of other regions': what its addresses lead to (indirect.h).
  std::unique_ptr<IndirectLayout> layout;
  std::shared_ptr<void> backing;  ///< memory that lives as long as its regions: device memory, a mapped dma-buf
  struct Exposure {
    fabric::Endpoint* endpoint;
    unsigned access;
    uint64_t begin, size;
    uint32_t uses;
    int watched;  ///< by MappingWatch; -1: not
    fabric::Registration registration;
    std::shared_ptr<fabric::Endpoint> keeper;  ///< the endpoint's, which has been left perhaps
  };
  std::list<Exposure> exposures;  ///< a list: registrations stay where they are
};

struct OnQueuePair;  ///< windows of type 2 that are bound to a queue pair

/// A memory window. Its MemoryKey says what it is bound to.
struct MemoryWindow : MemoryKey, ListNode<MemoryWindow, OnQueuePair> {
  int type = 1;
  uint32_t users = 0;  ///< operations under way through it: what invalidates it waits for them
};

/// How much of a null region one SGE can name.
inline constexpr uint64_t kNullExtent = uint64_t{1} << 32;

class MemoryTable {
 public:
  /// Takes the entry in and gives it a random key. False: the table is full.
  bool add(MemoryKey& entry);
  /// Afterwards no key leads here. A region lives until its last reference goes.
  void remove(const MemoryKey& entry);
  /// The entry's key leads to `fresh` from now on.
  void replace(const MemoryKey& entry, MemoryKey& fresh);
  /// Gives the entry another key; the upper 24 bits must be those of its present one.
  void rename(MemoryKey& entry, uint32_t key);
  /// Takes back what an endpoint has registered, which nobody uses any more.
  void forget(const fabric::Endpoint& endpoint);

  /// The region behind an lkey if [at, at+size) lies inside, its PD is `pd` and it grants `access`; else nullptr.
  MemoryRegion* local(uint32_t lkey, const void* pd, uint64_t at, uint64_t size, unsigned access) const {
    MemoryKey* entry = find(lkey);
    if (!entry || entry != entry->region || !grants(*entry, pd, at, size, access)) return nullptr;
    MemoryRegion* region = entry->region;
    return region->epoch == epoch.load(std::memory_order_relaxed) ? region : look_at(*region, access);
  }
  /// The same for an rkey, of a region or of a window that is bound and serves `qp`.
  MemoryKey* remote(uint32_t rkey, const void* pd, const void* qp, uint64_t at, uint64_t size, unsigned access) const {
    MemoryKey* entry = find(rkey);
    if (!entry || !entry->region || (entry->qp && entry->qp != qp) || !grants(*entry, pd, at, size, access))
      return nullptr;
    if (entry->region->epoch != epoch.load(std::memory_order_relaxed)) look_at(*entry->region, access);
    return entry;
  }
  /// The window whose key has these upper 24 bits, or nullptr.
  MemoryWindow* window(uint32_t key) const;
  /// The region of exactly this key, or nullptr.
  MemoryRegion* region(uint32_t key) const {
    MemoryKey* entry = find(key);
    return entry && entry == entry->region ? entry->region : nullptr;
  }

  /// Counts milliseconds, about, while the process is at work. Once in each a region in use is looked at: whether the
  /// program has unmapped memory that it has not deregistered. Odd: a null region's epoch is 0.
  std::atomic<uint32_t> epoch{1};
  /// Any thread.
  void next_epoch() { epoch.fetch_add(2, std::memory_order_relaxed); }

 private:
  /// Open addressing over random keys: one probe in the common case. Key 0 is none.
  struct Slot {
    uint32_t key = 0;
    bool window = false;
    MemoryKey* entry = nullptr;
  };
  static constexpr size_t kMost = size_t{1} << 23;  ///< half of what 24 bits can name

  static bool grants(const MemoryKey& entry, const void* pd, uint64_t at, uint64_t size, unsigned access) {
    return entry.pd == pd && entry.contains(at, size) && (entry.access & access) == access;
  }
  size_t mask() const { return slots_.size() - 1; }
  size_t home(uint32_t key) const { return (key >> 8) & mask(); }
  MemoryKey* find(uint32_t key) const {
    for (size_t i = home(key);; i = (i + 1) & mask()) {
      if (slots_[i].key == key) return slots_[i].entry;
      if (slots_[i].key == 0) return nullptr;
    }
  }
  /// The region to use for such an access, with may_fault up to date.
  MemoryRegion* look_at(MemoryRegion& region, unsigned access) const;
  /// The place of the entry with these upper 24 bits, or that of a free slot.
  size_t place_of(uint32_t key) const;
  void grow();

  std::vector<Slot> slots_ = std::vector<Slot>(64);
  size_t count_ = 0;
};

/// The fabric's registration of [at, at+size) of a region on an endpoint, made at the first need. It covers the whole
/// region and lives as long, but where the fabric pins pages that may come and go: then it covers just this, until
/// conceal(), and after that as long as the kernel says that the pages are still the program's (MappingWatch) and there
/// are not too many. nullptr when the fabric refuses, or the memory is not there.
fabric::Registration* expose(MemoryRegion& region, fabric::Endpoint& endpoint, unsigned access, const void* at,
                             uint64_t size);
/// Whether [at, at+size) of a region that may fault can be handed to the fabric now: one that copies in user space, or
/// whose connections break at a bad address, must not see any.
inline bool present(const MemoryRegion& region, const void* at, uint64_t size, bool writable) {
  return !region.may_fault || bring_in(at, size, writable);
}
/// Copies from a region that may fault, or to it. `at`: what its host() gives. False: the memory is not there.
inline bool fetch(const MemoryTable& memory, const MemoryRegion& region, void* to, const void* at, uint64_t size) {
  if (region.layout) [[unlikely]]
    return fetch_indirect(memory, region, to, at, size);
  return safe_read(to, at, size);
}
inline bool store(const MemoryTable& memory, const MemoryRegion& region, void* at, const void* from, uint64_t size) {
  if (region.layout) [[unlikely]]
    return store_indirect(memory, region, at, from, size);
  return safe_write(at, from, size);
}
/// Ends one use of what expose() gave for the same arguments.
void conceal(MemoryRegion& region, fabric::Endpoint& endpoint, unsigned access, const void* at, uint64_t size);
/// Takes the fabric's registrations back: the region's memory changes.
void unexpose(MemoryRegion& region);

inline void retain(MemoryRegion& region) { ++region.references; }
/// Drops a reference; the last one unregisters and frees.
void release(MemoryRegion& region);

}  // namespace vb
