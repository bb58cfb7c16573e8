// SPDX-License-Identifier: BSD-2-Clause
// What masked atomics do to a word, as MLNX_OFED's experimental verbs and the kernel's IB_WR_MASKED_ATOMIC_* have it.
#pragma once

#include <cstdint>

#include "wire/packet.h"

namespace vb {

/// The bits in mask.compare decide whether the bits in mask.swap are exchanged.
template <class Word>
Word masked_compare_swap(Word value, const wire::AtomicHeader& operands, const wire::MaskHeader& mask) {
  const Word differs = (value ^ static_cast<Word>(operands.compare_add)) & static_cast<Word>(mask.compare);
  if (differs != 0) return value;
  const Word exchanged = static_cast<Word>(mask.swap);
  return static_cast<Word>((value & ~exchanged) | (static_cast<Word>(operands.swap) & exchanged));
}

/// Adds field by field: a bit in mask.compare is the highest of a field, which no carry leaves. Below the highest bits
/// sums carry into them at most; these themselves add without a carry.
template <class Word>
Word masked_fetch_add(Word value, const wire::AtomicHeader& operands, const wire::MaskHeader& mask) {
  const Word added = static_cast<Word>(operands.compare_add), highest = static_cast<Word>(mask.compare);
  return static_cast<Word>(((value & ~highest) + (added & ~highest)) ^ ((value ^ added) & highest));
}

}  // namespace vb
