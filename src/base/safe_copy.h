// SPDX-License-Identifier: BSD-2-Clause
// Access to memory that may not be there. The kernel touches it for us: a bad address is a result, never a signal.
#pragma once

#include <cstddef>

namespace vb {

/// Copies like memcpy, from and to memory that may be missing or protected. False: some of it was; what could be copied
/// before may have been. One system call, two where the system forbids process_vm_writev. Thread safe.
bool safe_copy(void* to, const void* from, size_t size);

/// Whether every byte may be read (and written) now; brings the pages in. Thread safe.
bool bring_in(const void* at, size_t size, bool writable);

/// Whether every byte lies in some mapping. Looks at mappings, not at pages nor protection. Thread safe.
bool is_mapped(const void* at, size_t size);

}  // namespace vb
