// SPDX-License-Identifier: BSD-2-Clause
// One-line messages to the standard error stream or VERBATIM_LOG_FILE. Nothing is formatted unless it is written,
// nothing is allocated, errno is kept. A message says what was expected, what was found and the values.
#pragma once

#include <atomic>

#include "base/export.h"

namespace vb {

enum class LogLevel { error, warn, info, debug };

VB_API bool log_enabled(LogLevel level);

VB_API void log(LogLevel level, const char* format, ...) __attribute__((format(printf, 2, 3)));

/// Writes at most once for each `done`, which is a static of the caller.
VB_API void log_once(std::atomic<bool>& done, LogLevel level, const char* format, ...)
    __attribute__((format(printf, 3, 4)));

}  // namespace vb
