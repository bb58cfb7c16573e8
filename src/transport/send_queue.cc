// SPDX-License-Identifier: BSD-2-Clause
#include "transport/send_queue.h"

#include <algorithm>
#include <bit>

namespace vb {

Result<void> SendQueue::open(uint32_t depth, uint32_t max_sge, uint32_t max_inline, RingSource* source, uint32_t extra,
                             bool extended) {
  uint32_t slots = std::bit_ceil(std::max(depth + extra, 1u));
  size_t tail = std::max<size_t>(max_sge * (sizeof(ibv_sge) + sizeof(MemoryRegion*)), max_inline);
  if (extended) tail += sizeof(SendExtension);
  stride_ = static_cast<uint32_t>((sizeof(SendWqe) + tail + 15) & ~size_t{15});
  ring_ = make_ring<unsigned char>(size_t{slots} * stride_, source);
  if (!ring_) return Error{ENOMEM};
  depth_ = depth;
  extra_ = extra;
  mask_ = slots - 1;
  max_sge_ = max_sge;
  max_inline_ = max_inline;
  return {};
}

}  // namespace vb
