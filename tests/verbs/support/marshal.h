// SPDX-License-Identifier: BSD-2-Clause
// Values to bytes and back, between two processes of the same binary.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "support/wr.h"

namespace vt {

using Bytes = std::vector<uint8_t>;

class Writer {
 public:
  Bytes bytes;

  template <class T>
  requires std::is_trivially_copyable_v<T>
  void put(const T& value) { append(&value, sizeof value); }
  template <class T>
  void put(const std::vector<T>& values) {
    put<uint64_t>(values.size());
    if constexpr (std::is_trivially_copyable_v<T>)
      append(values.data(), values.size() * sizeof(T));
    else
      for (const T& value : values) put(value);
  }
  void put(const std::string& text) { put(Bytes(text.begin(), text.end())); }
  void put(const SendWr& request) {
    put(request.wr);
    put(request.sges);
  }
  void put(const RecvWr& request) {
    put(request.wr_id);
    put(request.sges);
  }

 private:
  void append(const void* data, size_t size) {
    auto* first = static_cast<const uint8_t*>(data);
    bytes.insert(bytes.end(), first, first + size);
  }
};

class Reader {
 public:
  explicit Reader(Bytes bytes) : bytes_(std::move(bytes)) {}

  template <class T>
  T get() {
    T value{};
    read(value);
    return value;
  }
  template <class... T>
  std::tuple<T...> get_all() {
    return std::tuple<T...>{get<T>()...};
  }  // braces: left to right

 private:
  template <class T>
  requires std::is_trivially_copyable_v<T>
  void read(T& value) { copy(&value, sizeof value); }
  template <class T>
  void read(std::vector<T>& values) {
    values.resize(get<uint64_t>());
    if constexpr (std::is_trivially_copyable_v<T>)
      copy(values.data(), values.size() * sizeof(T));
    else
      for (T& value : values) read(value);
  }
  void read(std::string& text) {
    auto raw = get<Bytes>();
    text.assign(raw.begin(), raw.end());
  }
  void read(SendWr& request) {
    read(request.wr);
    read(request.sges);
  }
  void read(RecvWr& request) {
    read(request.wr_id);
    read(request.sges);
  }
  void copy(void* to, size_t size) {
    if (size > bytes_.size() - at_) throw std::runtime_error("a message of the peer is too short");
    if (size) std::memcpy(to, bytes_.data() + at_, size);
    at_ += size;
  }

  Bytes bytes_;
  size_t at_ = 0;
};

}  // namespace vt
