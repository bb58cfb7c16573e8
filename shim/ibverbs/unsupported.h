// SPDX-License-Identifier: BSD-2-Clause
// What is not there says so: EOPNOTSUPP, and its name once in the log.
#pragma once

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <type_traits>

#include "base/log.h"

namespace vb::door {

/// A string as a template argument.
template <size_t kSize>
struct Name {
  constexpr Name(const char (&text)[kSize]) { std::copy_n(text, kSize, value); }
  char value[kSize];
};

template <Name kName>
void report_unsupported() {
  static std::atomic<bool> done{false};
  log_once(done, LogLevel::warn, "%s is not supported (EOPNOTSUPP)", kName.value);
}

/// The value of an unsupported function: NULL and errno, or EOPNOTSUPP.
template <Name kName, class Value = int>
Value unsupported() {
  report_unsupported<kName>();
  errno = EOPNOTSUPP;
  if constexpr (std::is_pointer_v<Value>) {
    return nullptr;
  } else if constexpr (!std::is_void_v<Value>) {
    return static_cast<Value>(EOPNOTSUPP);
  }
}

/// Sets a table's slot to a function that is unsupported.
template <Name kName, class Value, class... Args>
void set_unsupported(Value (*&slot)(Args...)) {
  slot = [](Args...) -> Value { return unsupported<kName, Value>(); };
}

}  // namespace vb::door
