// SPDX-License-Identifier: BSD-2-Clause
// Keys that stand for pieces of other regions: what the experimental verbs call UMR. Such a key has no memory of its
// own, so nothing is registered with a fabric for it, and large payloads go by way of a copy. Every access looks the
// pieces' keys up anew: one that is gone, or grants less, fails the access. Lane's lock held.
#pragma once

#include <cstdint>
#include <vector>

namespace vb {

class MemoryTable;
class QueuePair;
struct MemoryRegion;

/// Blocks end to end, and all of them again `repeats` times, each then one stride further on.
struct IndirectLayout {
  struct Block {
    uint64_t address;  ///< as the region's key names it
    uint64_t length;
    uint64_t stride;  ///< bytes from one repetition to the next
    uint32_t key;     ///< lkey of a region that has memory
  };
  std::vector<Block> blocks;
  uint64_t repeats = 1;

  /// The length of all blocks once.
  uint64_t cycle() const;
};

/// A work request that says what a key stands for from now on. An empty layout: for nothing.
struct IndirectFill {
  uint32_t key = 0;
  uint64_t iova = 0;  ///< the address by which the first byte is named
  unsigned access = 0;
  IndirectLayout layout;
};

/// Executes it. False: there is no such key in the queue pair's protection domain.
bool fill_indirect(QueuePair& qp, IndirectFill& fill);

/// Part of a region that has memory.
struct RealPiece {
  MemoryRegion* region;
  unsigned char* at;
  uint64_t size;
};

/// Appends where [at, at+size) of a region with a layout is. `at`: what its host() gives. False: some key does not
/// grant `access` (kLocalRead or kLocalWrite).
bool resolve_indirect(const MemoryTable& memory, const MemoryRegion& region, const void* at, uint64_t size,
                      unsigned access, std::vector<RealPiece>& pieces);

// Access to a region with a layout. `at`: what its host() gives.
/// Copies from it, or to it. False: the memory is not there, or a piece's key does not grant it.
bool fetch_indirect(const MemoryTable& memory, const MemoryRegion& region, void* to, const void* at, uint64_t size);
bool store_indirect(const MemoryTable& memory, const MemoryRegion& region, void* at, const void* from, uint64_t size);
/// Where an atomic on [at, at+size) works, brought in for writing. nullptr: it is not there, or cut into pieces. Any
/// region that may fault (MemoryRegion::may_fault), with a layout or without.
unsigned char* reach(const MemoryTable& memory, const MemoryRegion& region, unsigned char* at, uint64_t size);

}  // namespace vb
