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

#include <cstddef>

namespace vb::fault_guard {

enum class Access { kRead, kWrite };

/// Installs the handlers, once and for good. Called when memory that may be missing is registered for the first time.
/// Not to be called in a process that never does that: it needs no handlers. Thread safe.
void install();
/// Called by the engine's helper, which blocks all signals: they are let in there while they are ours. One that was
/// sent to the process and came there goes on to another thread.
void adopt_thread();

/// Ticks are the coarse clock's, unless somebody who wakes every millisecond or so counts them: then no thread looks at
/// the clock. Thread safe.
void count_tick();
void stop_counting();

/// Whether copy() and touch() may access this memory of the program's now. Thread safe, as are the others.
bool covers(const void* at, size_t size, Access access);
/// The kernel has just accessed all of it: we may, until forget() or other memory takes the place of the note.
void remember(const void* at, size_t size, Access access);
void forget(const void* at, size_t size);

/// False: a fault; what could be copied before has been. An end that is not our own must be covered.
bool copy(void* to, const void* from, size_t size);
/// Brings covered memory in, for such an access. False: some of it is not there. Size is not 0.
bool touch(const void* at, size_t size, Access access);

}  // namespace vb::fault_guard
