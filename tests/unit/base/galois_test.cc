// SPDX-License-Identifier: BSD-2-Clause
#include "base/galois.h"

#include <gtest/gtest.h>

#include <set>

namespace vb {
namespace {

struct Width {
  int bits;
  unsigned polynomial;  ///< with its leading term
};
constexpr Width kWidths[] = {{1, 0x3}, {2, 0x7}, {4, 0x13}, {8, 0x11d}};

/// The definition, otherwise than the engine goes: the product of polynomials, and then its remainder.
unsigned remainder_of_product(unsigned a, unsigned b, const Width& width) {
  unsigned product = 0;
  for (int i = 0; i < width.bits; ++i) {
    for (int j = 0; j < width.bits; ++j) product ^= ((a >> i) & (b >> j) & 1) << (i + j);
  }
  for (int i = 2 * width.bits - 2; i >= width.bits; --i) {
    if (product >> i & 1) product ^= width.polynomial << (i - width.bits);
  }
  return product;
}

TEST(GaloisTest, ProductsAreThoseOfPolynomials) {
  for (const Width& width : kWidths) {
    const GaloisField* field = GaloisField::of(width.bits);
    ASSERT_NE(field, nullptr);
    const unsigned mask = (1u << width.bits) - 1;
    for (unsigned a = 0; a <= mask; ++a) {
      for (unsigned byte = 0; byte < 256; ++byte) {
        const unsigned product = field->multiply(static_cast<uint8_t>(a), static_cast<uint8_t>(byte));
        for (int at = 0; at < 8; at += width.bits)
          ASSERT_EQ(product >> at & mask, remainder_of_product(a, byte >> at & mask, width))
              << width.bits << ": " << a << " * " << byte;
      }
    }
  }
}

/// What is known of the polynomials: x generates everything but 0.
TEST(GaloisTest, TheSecondElementIsPrimitive) {
  for (const Width& width : kWidths) {
    if (width.bits == 1) continue;
    const GaloisField& field = *GaloisField::of(width.bits);
    std::set<unsigned> powers;
    for (uint8_t power = 1; powers.insert(power).second;) {
      power = static_cast<uint8_t>(field.multiply(2, power) & ((1u << width.bits) - 1));
    }
    EXPECT_EQ(powers.size(), (size_t{1} << width.bits) - 1);
  }
}

TEST(GaloisTest, KnowsItsElements) {
  for (const Width& width : kWidths) {
    const GaloisField& field = *GaloisField::of(width.bits);
    EXPECT_TRUE(field.has(static_cast<uint8_t>((1u << width.bits) - 1)));
    if (width.bits < 8) {
      EXPECT_FALSE(field.has(static_cast<uint8_t>(1u << width.bits)));
    }
  }
  for (int width : {-1, 0, 3, 5, 16}) EXPECT_EQ(GaloisField::of(width), nullptr);
}

TEST(GaloisTest, ProductsAreAdded) {
  const GaloisField& field = *GaloisField::of(8);
  for (uint8_t coefficient : {0, 1, 2, 0x8e, 0xff}) {
    std::array<uint8_t, 300> from, to;
    for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<uint8_t>(i), to[i] = static_cast<uint8_t>(7 * i);
    const auto before = to;
    field.add_product(coefficient, from.data() + 1, to.data() + 1, 298);
    EXPECT_EQ(to.front(), before.front());
    EXPECT_EQ(to.back(), before.back());
    for (size_t i = 1; i < 299; ++i)
      ASSERT_EQ(to[i], before[i] ^ remainder_of_product(coefficient, from[i], kWidths[3])) << i;
  }
}

}  // namespace
}  // namespace vb
