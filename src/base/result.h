// SPDX-License-Identifier: BSD-2-Clause
// Result<T>: a value or a positive errno. The only way that failures travel inside the engine.
#pragma once

#include <cerrno>
#include <utility>

namespace vb {

/// A failure, as a positive errno value. Converts into any Result.
struct [[nodiscard]] Error {
  int code;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Error error) : error_(error.code) {}

  explicit operator bool() const { return error_ == 0; }
  int error() const { return error_; }
  T& operator*() { return value_; }
  const T& operator*() const { return value_; }
  T* operator->() { return &value_; }

 private:
  T value_{};
  int error_ = 0;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(error.code) {}

  explicit operator bool() const { return error_ == 0; }
  int error() const { return error_; }

 private:
  int error_ = 0;
};

}  // namespace vb
