// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/ec_work.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "base/safe_copy.h"
#include "transport/engine.h"

namespace vb {

namespace {

constexpr uint64_t kChunk = 4096;  ///< bytes of each block at a time: those of all outputs stay in a cache

/// The memory of one calculation. What it names is kept from deregistration for as long as it lives.
class Grasp {
 public:
  explicit Grasp(const EcWork& work) : work_(work) {}
  Grasp(const Grasp&) = delete;
  Grasp& operator=(const Grasp&) = delete;
  ~Grasp() {
    auto guard = engine().lane.hold();
    for (const RealPiece& piece : pieces_) --piece.region->remote_users;
  }

  /// All blocks. False: a key does not grant it.
  bool take() {
    auto guard = engine().lane.hold();
    const auto take_each = [&](const std::vector<EcBlock>& blocks, unsigned access) {
      return std::all_of(blocks.begin(), blocks.end(), [&](const EcBlock& block) { return take(block, access); });
    };
    return take_each(work_.inputs, kLocalRead) && take_each(work_.outputs, kLocalWrite);
  }
  /// The pieces of block number `index`, inputs first.
  std::span<const RealPiece> block(size_t index) const {
    const size_t begin = index ? ends_[index - 1] : 0;
    return std::span(pieces_).subspan(begin, ends_[index] - begin);
  }

 private:
  bool take(const EcBlock& block, unsigned access) {
    uint64_t skip = block.start, left = work_.block_size;
    for (auto sge = block.list->begin(); left > 0; ++sge) {
      if (skip >= sge->length) {
        skip -= sge->length;
        continue;
      }
      const uint64_t at = sge->addr + skip, size = std::min<uint64_t>(left, sge->length - skip);
      MemoryRegion* region = engine().lane.memory.local(sge->lkey, work_.domain, at, size, access);
      if (!region) return false;
      if (!hold(*region, region->host(at), size, access)) return false;
      skip = 0, left -= size;
    }
    ends_.push_back(pieces_.size());
    return true;
  }

  bool hold(MemoryRegion& region, unsigned char* at, uint64_t size, unsigned access) {
    const size_t before = pieces_.size();
    if (!region.layout) pieces_.push_back({&region, at, size});
    const bool found = !region.layout || resolve_indirect(engine().lane.memory, region, at, size, access, pieces_);
    for (size_t i = before; i < pieces_.size(); ++i) ++pieces_[i].region->remote_users;
    return found;
  }

  const EcWork& work_;
  std::vector<RealPiece> pieces_;
  std::vector<size_t> ends_;
};

/// Calls copy(piece, place in it, place in the chunk, size) for the pieces in [offset, offset+size) of a block.
template <class Copy>
bool for_chunk(std::span<const RealPiece> block, uint64_t offset, uint64_t size, Copy copy) {
  uint64_t done = 0;
  for (const RealPiece& piece : block) {
    if (offset >= piece.size) {
      offset -= piece.size;
      continue;
    }
    const uint64_t part = std::min(size - done, piece.size - offset);
    if (!copy(piece, piece.at + offset, done, part)) return false;
    done += part, offset = 0;
    if (done == size) break;
  }
  return true;
}

bool read(std::span<const RealPiece> block, uint64_t offset, uint8_t* to, uint64_t size) {
  return for_chunk(block, offset, size, [to](const RealPiece& piece, const void* from, uint64_t place, uint64_t part) {
    if (piece.region->may_fault) return safe_read(to + place, from, part);
    std::memcpy(to + place, from, part);
    return true;
  });
}

bool write(std::span<const RealPiece> block, uint64_t offset, const uint8_t* from, uint64_t size) {
  return for_chunk(block, offset, size, [from](const RealPiece& piece, void* to, uint64_t place, uint64_t part) {
    if (piece.region->may_fault) return safe_write(to, from + place, part);
    std::memcpy(to, from + place, part);
    return true;
  });
}

/// One chunk of every output. They are written when all inputs were read, so that one may stand where the other is.
bool combine(const EcWork& work, const Grasp& memory, uint64_t offset, uint64_t size, std::vector<uint8_t>& room) {
  const size_t inputs = work.inputs.size(), outputs = work.outputs.size();
  uint8_t* input = room.data();
  std::fill(room.begin(), room.end(), uint8_t{0});
  for (size_t i = 0; i < inputs; ++i) {
    if (!read(memory.block(i), offset, input, size)) return false;
    for (size_t j = 0; j < outputs; ++j)
      work.field->add_product(work.matrix[i * outputs + j], input, input + (j + 1) * kChunk, size);
  }
  for (size_t j = 0; j < outputs; ++j) {
    if (!write(memory.block(inputs + j), offset, input + (j + 1) * kChunk, size)) return false;
  }
  return true;
}

}  // namespace

bool calculate(const EcWork& work) {
  if (work.outputs.empty()) return true;
  Grasp memory(work);
  if (!memory.take()) return false;
  std::vector<uint8_t> room((work.outputs.size() + 1) * kChunk);
  for (uint64_t offset = 0; offset < work.block_size; offset += kChunk) {
    if (!combine(work, memory, offset, std::min(kChunk, work.block_size - offset), room)) return false;
  }
  return true;
}

}  // namespace vb
