// SPDX-License-Identifier: BSD-2-Clause
// What the process has mapped where, as far as registration asks.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace vb {

/// Whether every page of [address, address+length) is mapped, and may be written if need be.
bool mapped(uint64_t address, uint64_t length, bool writable);

/// Whether all of it maps files, shared: what a persistent flush writes back.
bool file_backed(uint64_t address, uint64_t length);

/// The memory of null regions, kNullExtent bytes each: one reads as zeros, the other takes what is written (many
/// addresses, few pages). Made once.
struct NullArenas {
  uint64_t zeros;
  uint64_t sink;
};
Result<NullArenas> null_arenas();

}  // namespace vb
