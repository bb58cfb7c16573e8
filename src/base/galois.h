// SPDX-License-Identifier: BSD-2-Clause
// Arithmetic in the Galois fields GF(2^w) of erasure codes. A byte holds 8/w symbols, and whatever is done to it is
// done to each of them, so the order of symbols in a byte makes no difference.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace vb {

class GaloisField {
 public:
  /// The field of `width` bits: 1, 2, 4 or 8; nullptr for others. Its polynomials are the primitive ones that coding
  /// libraries use: x+1, x^2+x+1, x^4+x+1, x^8+x^4+x^3+x^2+1. Any thread.
  static const GaloisField* of(int width);

  /// Whether it is an element: below 2^w.
  bool has(uint8_t symbol) const { return symbol < products_.size(); }
  /// The product of an element and each symbol of a byte.
  uint8_t multiply(uint8_t coefficient, uint8_t symbols) const { return products_[coefficient][symbols]; }
  /// Adds coefficient * from to `to`, symbol by symbol. They may not overlap.
  void add_product(uint8_t coefficient, const uint8_t* from, uint8_t* to, size_t size) const;

 private:
  explicit GaloisField(int width);

  std::vector<std::array<uint8_t, 256>> products_;  ///< by coefficient, by byte
};

}  // namespace vb
