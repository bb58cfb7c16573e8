// SPDX-License-Identifier: BSD-2-Clause
// One calculation of an erasure code: a matrix over a Galois field, and the blocks that it leads from and to.
#pragma once

#include <infiniband/verbs.h>

#include <vector>

#include "base/galois.h"

namespace vb {

/// A block: where it begins in the bytes that a list of SGEs names end to end.
struct EcBlock {
  const std::vector<ibv_sge>* list;
  uint64_t start;
};

/// outputs[j] = the sum of matrix[i][j] * inputs[i], symbol by symbol. Lists are as long as the blocks need.
struct EcWork {
  const GaloisField* field = nullptr;
  const void* domain = nullptr;  ///< whose keys the SGEs have
  std::vector<ibv_sge> data, code;
  uint64_t block_size = 0;  ///< bytes, at least 1
  std::vector<EcBlock> inputs, outputs;
  std::vector<uint8_t> matrix;  ///< row by row, a row for each input
};

/// Calculates here and now. False: a key does not grant the access, or the memory is not there. Then outputs may be
/// half written. An output may stand where an input is. What its keys name is not deregistered meanwhile. Throws
/// std::bad_alloc. Any thread, without the lane's lock.
bool calculate(const EcWork& work);

}  // namespace vb
