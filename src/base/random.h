// SPDX-License-Identifier: BSD-2-Clause
// Unguessable numbers from the kernel.
#pragma once

#include <sys/random.h>

#include <cstdint>
#include <span>

namespace vb {

inline void random_bytes(std::span<unsigned char> out) {
  size_t done = 0;
  while (done < out.size()) {
    ssize_t got = getrandom(out.data() + done, out.size() - done, 0);
    if (got > 0) done += static_cast<size_t>(got);
  }
}

template <class T>
T random_value() {
  T value;
  random_bytes({reinterpret_cast<unsigned char*>(&value), sizeof value});
  return value;
}

}  // namespace vb
