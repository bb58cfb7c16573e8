// SPDX-License-Identifier: BSD-2-Clause
// Accesses that survive a bad address without a system call: the faults of certain instructions (guarded_access.h) are
// answered by a handler of SIGSEGV and SIGBUS, and are a result. All other faults are the program's, as if the handler
// were not there.
//
// The handler counts only where it is sure to be asked: the program may install another later, or block the signals in
// some thread. So accesses are guarded only when the kernel has said, in this thread and in this tick (of a few
// milliseconds), that it would be asked. Within that tick the kernel's word may be outdated; therefore only memory is
// touched that has been good before, and what never was is left to the kernel (safe_copy.h).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/guarded_access.h"
#include "base/page_notes.h"

namespace vb::fault_guard {

enum class Access { kRead, kWrite };

/// Installs the handlers, once and for good. Called when memory that may be missing is registered for the first time.
/// Not to be called in a process that never does that: it needs no handlers. Thread safe.
void install();
/// Called by the engine's helper, which blocks all signals: they are let in there while they are ours. One that was
/// sent to the process and came there goes on to another thread.
void adopt_thread();

/// Ticks are the coarse clock's. While somebody who wakes every millisecond or so tells what it shows, no other thread
/// looks at it. Thread safe.
void tell_tick();
void stop_telling();

/// Whether copy() and touch() may access this memory of the program's now. Thread safe, as are the others.
inline bool covers(const void* at, size_t size, Access access);
/// The kernel has just accessed all of it: we may, until forget() or other memory takes the place of the note.
void remember(const void* at, size_t size, Access access);
/// After an access in vain. Returns false, as that did.
bool forget(const void* at, size_t size);

/// False: a fault; some of it may have been copied. An end that is not our own must be covered.
inline bool copy(void* to, const void* from, size_t size);
/// Brings covered memory in, for such an access. False: some of it is not there. Size is not 0.
bool touch(const void* at, size_t size, Access access);

#if defined(__x86_64__)

/// What covers() looks at first.
namespace state {
extern std::atomic<uint64_t> tick [[gnu::visibility("hidden")]];  ///< as told; 0: nobody tells
constexpr uint64_t kNever = 1;                                    ///< no tick is this
/// The tick in which the kernel has said that the handler would be asked in this thread, or kNever.
extern constinit thread_local uint64_t passed_in [[gnu::visibility("hidden")]];
/// For each access, the pages that were good for it once. None before install().
extern PageNotes good[2] [[gnu::visibility("hidden")]];
}  // namespace state

/// The rest of covers().
bool covers_in_general(const void* at, size_t size, Access access);

inline bool covers(const void* at, size_t size, Access access) {
  const PageNotes::Pages pages(at, size);
  if (pages.first == pages.last && state::good[static_cast<int>(access)].has(pages.first) &&
      state::tick.load(std::memory_order_relaxed) == state::passed_in) [[likely]]
    return true;
  return covers_in_general(at, size, access);
}

inline bool copy(void* to, const void* from, size_t size) { return vb_guarded_copy(to, from, size); }

#else  // the kernel copies

inline bool covers(const void*, size_t, Access) { return false; }
inline bool copy(void*, const void*, size_t) { return false; }

#endif

}  // namespace vb::fault_guard
