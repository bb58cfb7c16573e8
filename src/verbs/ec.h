// SPDX-License-Identifier: BSD-2-Clause
// Erasure coding: combinations of blocks over a Galois field, in registered memory. What the experimental verbs ask an
// adapter to calculate; here processors do it, the caller's or that of a thread of the calculator.
#pragma once

#include <infiniband/verbs.h>

#include <memory>
#include <span>
#include <vector>

#include "base/export.h"
#include "base/result.h"
#include "verbs/ec_worker.h"
#include "verbs/pd.h"

namespace vb {

inline constexpr int kMaxEcData = 256;             ///< blocks of a stripe: what a field of 8 bits can tell apart
inline constexpr int kMaxEcCode = 32;              ///< each costs a buffer of a calculation
inline constexpr uint32_t kMaxEcInFlight = 65536;  ///< calculations of one calculator

/// A stripe: k data blocks and m code blocks of block_size bytes, each kind end to end in a list of SGEs. Borrowed.
struct EcMemory {
  std::span<const ibv_sge> data;
  std::span<const ibv_sge> code;
  uint64_t block_size = 0;
};

struct EcAttributes {
  int k = 0;      ///< data blocks, 1 to kMaxEcData
  int m = 0;      ///< code blocks, 1 to kMaxEcCode
  int width = 0;  ///< of the field: 1, 2, 4 or 8 bits
  size_t max_data_sge = 0, max_code_sge = 0;
  uint32_t max_in_flight = 0;
  const uint8_t* matrix = nullptr;  ///< k rows of m elements: what each data block adds to each code block. Copied
  bool polling = false;             ///< nobody is told but by poll()
};

class EcCalculator {
 public:
  /// EINVAL: a number out of range, or a matrix with what is no element of the field.
  VB_API static Result<std::unique_ptr<EcCalculator>> make(Pd& pd, const EcAttributes& attributes);
  /// Waits for what was submitted.
  VB_API ~EcCalculator();

  // What is to be calculated. EINVAL: lists that are not as long as the blocks or have more SGEs than were announced,
  // an element that the field has not got, less than k blocks left. A bad key shows when the calculation runs.
  /// Code blocks from data blocks.
  VB_API Result<std::unique_ptr<EcWork>> encode(const EcMemory& memory) const;
  /// Erased blocks, data or code, from the first k that survived. `erasures`: a byte for each of the k + m blocks.
  /// `matrix`: k rows, in the order of survivors, of an element for each erased block. Both are read now.
  VB_API Result<std::unique_ptr<EcWork>> decode(const EcMemory& memory, const uint8_t* erasures,
                                                const uint8_t* matrix) const;
  /// New code blocks from old ones and from what data blocks were and are. memory.data: the old code blocks that
  /// code_updates (m bytes) names, then for each block that data_updates (k bytes) names the old and the new one.
  /// memory.code: the new code blocks, which may be where the old ones are.
  VB_API Result<std::unique_ptr<EcWork>> update(const EcMemory& memory, const uint8_t* data_updates,
                                                const uint8_t* code_updates) const;

  /// Calculates in the calculator's thread, which then calls `completion`, unless this is a polling calculator.
  /// EOVERFLOW: there are max_in_flight already. EAGAIN: no thread to be had. Any thread.
  VB_API Result<void> submit(std::unique_ptr<EcWork> work, EcCompletion completion);
  /// Calls the completions of up to `count` finished calculations of a polling calculator. How many. Any thread.
  VB_API int poll(int count);

  int k() const { return k_; }
  int m() const { return m_; }

 private:
  EcCalculator(Pd& pd, const EcAttributes& attributes, const GaloisField& field);
  Result<std::unique_ptr<EcWork>> begin(const EcMemory& memory, size_t in_data, size_t in_code) const;

  Pd& pd_;
  const GaloisField& field_;
  const int k_, m_;
  const size_t max_data_sge_, max_code_sge_;
  const std::vector<uint8_t> matrix_;
  const std::shared_ptr<EcWorker> worker_;
};

}  // namespace vb
