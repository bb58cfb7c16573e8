// SPDX-License-Identifier: BSD-2-Clause
// Access to memory that may not be there: a bad address is a result, never a signal. The kernel touches the memory for
// us, or we do so under a guard (fault_guard.h) when the kernel has done it before.
#pragma once

#include <cstddef>

#include "base/fault_guard.h"

namespace vb {

/// Copies like memcpy, from and to memory that may be missing or protected. False: some of it was; what could be copied
/// before may have been. Without a system call where the memory is in use (docs/memory.md). Thread safe.
bool safe_copy(void* to, const void* from, size_t size);
/// The same where only the memory that is read, or written, may be missing. Thread safe.
inline bool safe_read(void* to, const void* from, size_t size);
inline bool safe_write(void* to, const void* from, size_t size);

/// Whether every byte may be read (and written) now; brings the pages in. Without a system call, likewise. Thread safe.
bool bring_in(const void* at, size_t size, bool writable);

/// Whether every byte lies in some mapping. Looks at mappings, not at pages nor protection. Thread safe.
bool is_mapped(const void* at, size_t size);

/// The kernel copies, and notes are made of what it finds.
bool read_by_kernel(void* to, const void* from, size_t size);
bool write_by_kernel(void* to, const void* from, size_t size);

inline bool safe_read(void* to, const void* from, size_t size) {
  if (!fault_guard::covers(from, size, fault_guard::Access::kRead)) return read_by_kernel(to, from, size);
  return fault_guard::copy(to, from, size) || fault_guard::forget(from, size);
}
inline bool safe_write(void* to, const void* from, size_t size) {
  if (!fault_guard::covers(to, size, fault_guard::Access::kWrite)) return write_by_kernel(to, from, size);
  return fault_guard::copy(to, from, size) || fault_guard::forget(to, size);
}

}  // namespace vb
