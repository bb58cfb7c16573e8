// SPDX-License-Identifier: BSD-2-Clause
#include "base/galois.h"

#include "base/never_destroyed.h"

namespace vb {

namespace {

/// x^w, as a sum of lower powers.
constexpr unsigned reduction_of(int width) {
  switch (width) {
    case 2: return 0b11;
    case 4: return 0b11;
    case 8: return 0b11101;
    default: return 1;
  }
}

/// Shifts and adds: how a product is defined.
unsigned multiply_symbols(unsigned a, unsigned b, int width) {
  const unsigned carry = 1u << width;
  unsigned product = 0;
  for (; b; b >>= 1) {
    if (b & 1) product ^= a;
    a <<= 1;
    if (a & carry) a ^= carry | reduction_of(width);
  }
  return product;
}

/// All symbols of a byte at once.
uint8_t multiply_byte(unsigned coefficient, unsigned byte, int width) {
  const unsigned symbol = (1u << width) - 1;
  unsigned product = 0;
  for (int at = 0; at < 8; at += width) product |= multiply_symbols(coefficient, byte >> at & symbol, width) << at;
  return static_cast<uint8_t>(product);
}

}  // namespace

GaloisField::GaloisField(int width) : products_(size_t{1} << width) {
  for (unsigned coefficient = 0; coefficient < products_.size(); ++coefficient) {
    for (unsigned byte = 0; byte < 256; ++byte) products_[coefficient][byte] = multiply_byte(coefficient, byte, width);
  }
}

const GaloisField* GaloisField::of(int width) {
  static NeverDestroyed<GaloisField> bits(GaloisField(1)), pairs(GaloisField(2)), nibbles(GaloisField(4)),
      bytes(GaloisField(8));
  switch (width) {
    case 1: return &*bits;
    case 2: return &*pairs;
    case 4: return &*nibbles;
    case 8: return &*bytes;
    default: return nullptr;
  }
}

void GaloisField::add_product(uint8_t coefficient, const uint8_t* from, uint8_t* to, size_t size) const {
  if (coefficient == 0) return;
  if (coefficient == 1) {  // what most rows of a RAID are
    for (size_t i = 0; i < size; ++i) to[i] ^= from[i];
    return;
  }
  const auto& product = products_[coefficient];
  for (size_t i = 0; i < size; ++i) to[i] ^= product[from[i]];
}

}  // namespace vb
