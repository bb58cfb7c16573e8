// SPDX-License-Identifier: BSD-2-Clause
// The instructions whose faults are results: copies, and looks at pages. Who calls them sees to it that somebody
// answers the faults (fault_guard.h).
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__)

extern "C" {
/// Copies like memcpy, the end last. False: a fault; some of it may have been copied.
[[gnu::visibility("hidden")]] bool vb_guarded_copy(void* to, const void* from, size_t size);
/// Accesses one byte in each of `pages` pages (not 0) of 4 KiB, of which the first begins at `at`: reads it, or writes
/// what stands there (in one step, so that nothing is lost that another thread writes). In each page another line of
/// the cache, because all first lines share a few places there. False: a fault.
[[gnu::visibility("hidden")]] bool vb_guarded_touch(const void* at, size_t pages, bool write);

/// Whether the processor has 32 byte registers. Copies in steps as wide as memcpy's pass their data on sooner to what
/// reads it next.
[[gnu::visibility("hidden")]] extern bool vb_guarded_wide;

/// The instructions are those from vb_guarded up to vb_guarded_fault; there, false is returned from either function.
[[gnu::visibility("hidden")]] extern const char vb_guarded[], vb_guarded_fault[];
}

#endif
