// SPDX-License-Identifier: BSD-2-Clause
// Registered memory: the one table that every key leads into, and the check that every access passes.
#pragma once

#include <cstdint>
#include <vector>

#include "fabric/endpoint.h"

namespace vb {

/// What an access needs; the values are those of ibv_access_flags.
enum MemoryAccess : unsigned {
  kLocalRead = 0,
  kLocalWrite = 1,
  kRemoteWrite = 2,
  kRemoteRead = 4,
  kRemoteAtomic = 8,
};

/// One registration. Guarded by the lane's lock. Reference counted: a transfer under way keeps the fabric's
/// registrations alive when the program has deregistered.
struct MemoryRegion {
  uint64_t address = 0;  ///< where it is
  uint64_t length = 0;
  uint64_t iova = 0;  ///< the address by which SGEs and peers name its first byte
  unsigned access = 0;
  const void* pd = nullptr;
  uint32_t lkey = 0;
  uint32_t rkey = 0;
  uint32_t references = 1;    ///< the program's, and one for each transfer of the requester
  uint32_t remote_users = 0;  ///< responder operations under way: deregistration waits for them
  struct Exposure {
    fabric::Endpoint* endpoint;
    unsigned access;
    fabric::Registration registration;
  };
  std::vector<Exposure> exposures;

  bool contains(uint64_t at, uint64_t size) const { return at >= iova && size <= length && at - iova <= length - size; }
  unsigned char* host(uint64_t at) const { return reinterpret_cast<unsigned char*>(address + (at - iova)); }
};

class MemoryTable {
 public:
  /// Takes the region in and gives it two random keys.
  void add(MemoryRegion& region);
  /// Afterwards no key leads here. The region lives until its last reference goes.
  void remove(MemoryRegion& region);

  /// The region behind an lkey (rkey) if [at, at+size) lies inside, its PD is `pd` and it grants `access`; else
  /// nullptr.
  MemoryRegion* local(uint32_t lkey, const void* pd, uint64_t at, uint64_t size, unsigned access) const {
    return check(local_, lkey, pd, at, size, access);
  }
  MemoryRegion* remote(uint32_t rkey, const void* pd, uint64_t at, uint64_t size, unsigned access) const {
    return check(remote_, rkey, pd, at, size, access);
  }

 private:
  /// Open addressing over random keys: one probe in the common case. Key 0 is none.
  class KeyMap {
   public:
    KeyMap() : slots_(64) {}
    MemoryRegion* find(uint32_t key) const {
      for (size_t i = key & mask();; i = (i + 1) & mask()) {
        if (slots_[i].key == key) return slots_[i].region;
        if (slots_[i].key == 0) return nullptr;
      }
    }
    uint32_t insert(MemoryRegion& region);
    void erase(uint32_t key);

   private:
    struct Slot {
      uint32_t key = 0;
      MemoryRegion* region = nullptr;
    };
    size_t mask() const { return slots_.size() - 1; }
    void place(uint32_t key, MemoryRegion* region);
    void grow();

    std::vector<Slot> slots_;
    size_t count_ = 0;
  };

  static MemoryRegion* check(const KeyMap& map, uint32_t key, const void* pd, uint64_t at, uint64_t size,
                             unsigned access) {
    MemoryRegion* region = key ? map.find(key) : nullptr;
    if (!region || region->pd != pd || !region->contains(at, size) || (region->access & access) != access)
      return nullptr;
    return region;
  }

  KeyMap local_;
  KeyMap remote_;
};

/// The fabric's registration of a region on an endpoint, made at the first need. nullptr when the fabric refuses.
fabric::Registration* expose(MemoryRegion& region, fabric::Endpoint& endpoint, unsigned access);

inline void retain(MemoryRegion& region) { ++region.references; }
/// Drops a reference; the last one unregisters and frees.
void release(MemoryRegion& region);

}  // namespace vb
