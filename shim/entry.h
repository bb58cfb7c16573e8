// SPDX-License-Identifier: BSD-2-Clause
// The one place where a Result becomes a C function's own convention, and where exceptions stop. A function that is a
// cancellation point uses only the converters of a finished Result: no handler may stand above it.
#pragma once

#include <cxxabi.h>

#include <cerrno>
#include <exception>
#include <new>

#include "base/log.h"
#include "base/result.h"

/// An entry point: what a door's exported symbol of this name jumps to. scripts/gen-abi names it vb_<name> in the
/// engine.
#define VB_DOOR extern "C" __attribute__((visibility("default")))

namespace vb::door {

/// pthread_cancel unwinds with the C library's unwinder, but asks the copy in this library to run our frames' cleanups,
/// and that one aborts unless it was used before. So it is used, once, before a program can wait anywhere in here.
void prepare_unwinding();

/// The positive errno of a failure, or 0.
template <class T>
int as_errno(const Result<T>& result) {
  return result.error();
}

/// -1 and errno, or 0.
template <class T>
int as_minus_one(const Result<T>& result) {
  if (result) return 0;
  errno = result.error();
  return -1;
}

/// Runs `body`, which returns a Result, and turns exceptions into errors.
template <class Body>
auto guarded(Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return Error{ENOMEM};
  } catch (const abi::__forced_unwind&) {
    throw;
  } catch (const std::exception& exception) {
    log(LogLevel::error, "unexpected: %s", exception.what());
    return Error{EIO};
  }
}

/// For functions that return errno values.
template <class Body>
int errno_entry(Body&& body) {
  return as_errno(guarded(body));
}

/// For functions that return -1 and set errno.
template <class Body>
int minus_one_entry(Body&& body) {
  return as_minus_one(guarded(body));
}

/// For functions that return the object's handle, or NULL and set errno. Objects have an overload of handle().
template <class Body>
auto pointer_entry(Body&& body) -> decltype(handle(**body())) {
  auto result = guarded(body);
  if (result) return handle(**result);
  errno = result.error();
  return nullptr;
}

}  // namespace vb::door
