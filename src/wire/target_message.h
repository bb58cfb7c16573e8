// SPDX-License-Identifier: BSD-2-Clause
// What the process that has an XRC target, and one that has opened it (ibv_open_qp), say to each other: messages of one
// size, by a local socket that keeps their bounds. The opener asks, and gets each message back with the answer filled
// in; the owner tells of events in between.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>

namespace vb::wire {

inline constexpr uint32_t kTargetMagic = 0x31585256;  // "VRX1"

enum class TargetCall : uint32_t { kOpen = 1, kModify, kQuery, kClose, kEvent };

struct TargetMessage {
  uint32_t magic = kTargetMagic;
  TargetCall call = TargetCall::kOpen;
  uint32_t number = 0;   ///< of the question, which the answer repeats
  int32_t error = 0;     ///< of the answer: an errno, or 0
  uint32_t qpn = 0;      ///< kOpen
  uint32_t mask = 0;     ///< kModify: of ibv_modify_qp
  uint32_t event = 0;    ///< kEvent: an ibv_event_type
  uint64_t voucher = 0;  ///< kOpen, and its answer: XrcDomain::Voucher of who sends it
  ibv_qp_attr attr{};    ///< kModify; and every answer: what the target has now
};

/// The events that a target has.
inline bool is_target_event(uint32_t type) {
  switch (type) {
    case IBV_EVENT_QP_FATAL:
    case IBV_EVENT_QP_REQ_ERR:
    case IBV_EVENT_QP_ACCESS_ERR:
    case IBV_EVENT_COMM_EST:
    case IBV_EVENT_SQ_DRAINED:
    case IBV_EVENT_PATH_MIG:
    case IBV_EVENT_PATH_MIG_ERR:
    case IBV_EVENT_QP_LAST_WQE_REACHED: return true;
    default: return false;
  }
}

}  // namespace vb::wire
