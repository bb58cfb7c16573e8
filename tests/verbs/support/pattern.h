// SPDX-License-Identifier: BSD-2-Clause
// Bytes that depend on a seed and on their position: a byte that is lost, moved or torn shows.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

namespace vt {

inline uint64_t mix(uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

inline uint8_t pattern_byte(uint64_t seed, uint64_t position) {
  return static_cast<uint8_t>(mix(seed * 0x10001 + position / 8) >> (position % 8 * 8));
}

inline void fill_pattern(std::span<uint8_t> bytes, uint64_t seed, uint64_t from = 0) {
  size_t i = 0;
  while (i < bytes.size()) {
    uint64_t position = from + i;
    if (position % 8 == 0 && bytes.size() - i >= 8) {
      uint64_t word = mix(seed * 0x10001 + position / 8);
      std::memcpy(bytes.data() + i, &word, 8);
      i += 8;
    } else {
      bytes[i++] = pattern_byte(seed, position);
    }
  }
}

// The position of the first byte that differs, or -1.
inline int64_t find_mismatch(std::span<const uint8_t> bytes, uint64_t seed, uint64_t from = 0) {
  size_t i = 0;
  while (i < bytes.size()) {
    uint64_t position = from + i, word;
    if (position % 8 == 0 && bytes.size() - i >= 8) {
      std::memcpy(&word, bytes.data() + i, 8);
      if (word == mix(seed * 0x10001 + position / 8)) {
        i += 8;
        continue;
      }
    }
    if (bytes[i] != pattern_byte(seed, position)) return static_cast<int64_t>(i);
    ++i;
  }
  return -1;
}

}  // namespace vt
