// SPDX-License-Identifier: BSD-2-Clause
// The requester's part of masked atomics.
#include "transport/channel.h"
#include "transport/connected_queue_pair.h"
#include "transport/requester.h"

namespace vb {

using wire::Kind;

/// The answer has eight bytes; a program that works on four gets the lower ones.
Requester::Sent Requester::send_masked_atomic(SendWqe& wqe) {
  const uint32_t width = wqe.imm;
  if (qp_.path.max_rd_atomic == 0 || wqe.length != width) {
    wqe.status = qp_.path.max_rd_atomic == 0 ? IBV_WC_LOC_QP_OP_ERR : IBV_WC_LOC_LEN_ERR;
    return Sent::kBad;
  }
  if (!qp_.resolve_sges(wqe, kLocalWrite)) return Sent::kBad;
  const Kind kind = wqe.opcode == kMaskedCompareSwapOpcode ? Kind::kMaskedCompareSwap : Kind::kMaskedFetchAdd;
  unsigned char* at = begin(wqe, kind, 0, sizeof(wire::AtomicHeader) + sizeof(wire::MaskHeader));
  if (!at) return Sent::kLater;
  const SendExtension& extension = qp_.send_queue.extension(wqe);
  const wire::AtomicHeader atomic{wqe.remote_address, wqe.rkey, width, wqe.compare_add, wqe.swap};
  const wire::MaskHeader mask{extension.compare_mask, extension.swap_mask};
  memcpy(at, &atomic, sizeof atomic);
  memcpy(at + sizeof atomic, &mask, sizeof mask);
  return Sent::kYes;
}

}  // namespace vb
