// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/ec.h"

#include <algorithm>

namespace vb {

namespace {

bool holds_only(const GaloisField& field, std::span<const uint8_t> matrix) {
  return std::all_of(matrix.begin(), matrix.end(), [&](uint8_t element) { return field.has(element); });
}

bool is_long(std::span<const ibv_sge> list, uint64_t blocks, uint64_t block_size) {
  uint64_t length = 0;
  for (const ibv_sge& sge : list) length += sge.length;
  return length == blocks * block_size;
}

size_t count(const uint8_t* flags, int size) {
  return static_cast<size_t>(std::count_if(flags, flags + size, [](uint8_t flag) { return flag != 0; }));
}

bool in_range(int value, int most) { return value >= 1 && value <= most; }

}  // namespace

EcCalculator::EcCalculator(Pd& pd, const EcAttributes& attributes, const GaloisField& field)
    : pd_(pd),
      field_(field),
      k_(attributes.k),
      m_(attributes.m),
      max_data_sge_(attributes.max_data_sge),
      max_code_sge_(attributes.max_code_sge),
      matrix_(attributes.matrix, attributes.matrix + attributes.k * attributes.m),
      worker_(std::make_shared<EcWorker>(attributes.max_in_flight, attributes.polling)) {
  ++pd_.uses;
}

EcCalculator::~EcCalculator() {
  worker_->stop();
  --pd_.uses;
}

Result<std::unique_ptr<EcCalculator>> EcCalculator::make(Pd& pd, const EcAttributes& attributes) {
  const GaloisField* field = GaloisField::of(attributes.width);
  if (!field || !in_range(attributes.k, kMaxEcData) || !in_range(attributes.m, kMaxEcCode)) return Error{EINVAL};
  if (!attributes.matrix || attributes.max_in_flight > kMaxEcInFlight) return Error{EINVAL};
  std::unique_ptr<EcCalculator> made(new EcCalculator(pd, attributes, *field));
  if (!holds_only(*field, made->matrix_)) return Error{EINVAL};
  return made;
}

/// What all three have in common: so many blocks in the lists.
Result<std::unique_ptr<EcWork>> EcCalculator::begin(const EcMemory& memory, size_t in_data, size_t in_code) const {
  if (memory.block_size == 0 || !is_long(memory.data, in_data, memory.block_size) ||
      !is_long(memory.code, in_code, memory.block_size))
    return Error{EINVAL};
  auto work = std::make_unique<EcWork>();
  work->field = &field_;
  work->domain = pd_.domain;
  work->data.assign(memory.data.begin(), memory.data.end());
  work->code.assign(memory.code.begin(), memory.code.end());
  work->block_size = memory.block_size;
  return work;
}

Result<std::unique_ptr<EcWork>> EcCalculator::encode(const EcMemory& memory) const {
  if (memory.data.size() > max_data_sge_ || memory.code.size() > max_code_sge_) return Error{EINVAL};
  auto work = begin(memory, static_cast<size_t>(k_), static_cast<size_t>(m_));
  if (!work) return work;
  for (uint64_t i = 0; i < static_cast<uint64_t>(k_); ++i)
    (*work)->inputs.push_back({&(*work)->data, i * memory.block_size});
  for (uint64_t j = 0; j < static_cast<uint64_t>(m_); ++j)
    (*work)->outputs.push_back({&(*work)->code, j * memory.block_size});
  (*work)->matrix = matrix_;
  return work;
}

Result<std::unique_ptr<EcWork>> EcCalculator::decode(const EcMemory& memory, const uint8_t* erasures,
                                                     const uint8_t* matrix) const {
  if (memory.data.size() > max_data_sge_ || memory.code.size() > max_code_sge_) return Error{EINVAL};
  const auto k = static_cast<size_t>(k_), m = static_cast<size_t>(m_);
  const size_t erased = count(erasures, k_ + m_);
  if (erased > m) return Error{EINVAL};
  const std::span<const uint8_t> elements(matrix, matrix ? k * erased : 0);
  if (elements.size() != k * erased || !holds_only(field_, elements)) return Error{EINVAL};
  auto work = begin(memory, k, m);
  if (!work) return work;
  for (size_t i = 0; i < k + m; ++i) {
    const EcBlock block =
        i < k ? EcBlock{&(*work)->data, i * memory.block_size} : EcBlock{&(*work)->code, (i - k) * memory.block_size};
    auto& blocks = erasures[i] ? (*work)->outputs : (*work)->inputs;
    if (erasures[i] || blocks.size() < k) blocks.push_back(block);
  }
  (*work)->matrix.assign(elements.begin(), elements.end());
  return work;
}

Result<std::unique_ptr<EcWork>> EcCalculator::update(const EcMemory& memory, const uint8_t* data_updates,
                                                     const uint8_t* code_updates) const {
  const size_t codes = count(code_updates, m_), changes = count(data_updates, k_);
  if (codes == 0 || changes == 0) return Error{EINVAL};
  auto work = begin(memory, codes + 2 * changes, codes);
  if (!work) return work;
  for (uint64_t i = 0; i < codes + 2 * changes; ++i) (*work)->inputs.push_back({&(*work)->data, i * memory.block_size});
  for (uint64_t j = 0; j < codes; ++j) (*work)->outputs.push_back({&(*work)->code, j * memory.block_size});
  auto& matrix = (*work)->matrix;
  for (size_t i = 0; i < codes; ++i) {
    for (size_t j = 0; j < codes; ++j) matrix.push_back(i == j);
  }
  // In these fields to subtract is to add: what a block was goes out, and what it is comes in, by the same row.
  for (size_t row = 0; row < 2 * static_cast<size_t>(k_); ++row) {
    if (!data_updates[row / 2]) continue;
    for (size_t j = 0; j < static_cast<size_t>(m_); ++j) {
      if (code_updates[j]) matrix.push_back(matrix_[row / 2 * static_cast<size_t>(m_) + j]);
    }
  }
  return work;
}

Result<void> EcCalculator::submit(std::unique_ptr<EcWork> work, EcCompletion completion) {
  return worker_->submit(std::move(work), completion);
}

int EcCalculator::poll(int count) { return worker_->poll(count); }

}  // namespace vb
