// SPDX-License-Identifier: BSD-2-Clause
// The table of a completion queue: what completes well is counted or measured, and not shown. A completion that does
// not fit stays for ibv_poll_cq, which is what -1 says.
#include <algorithm>

#include "exp/interface.h"
#include "verbs/cq.h"

namespace vb::exp {
namespace {

bool succeeded(const Cqe& cqe) { return cqe.status == IBV_WC_SUCCESS; }

/// A length of 0 would look like an empty queue.
bool brought_data(const Cqe& cqe) { return succeeded(cqe) && (cqe.opcode & IBV_WC_RECV) && cqe.byte_len != 0; }

int32_t poll_count(ibv_cq* cq, uint32_t most) {
  Cqe last;
  return take_cqes(Cq::from(cq), static_cast<int>(std::min<uint32_t>(most, INT32_MAX)), succeeded, last);
}

/// One receive. 1, 0 or -1.
int32_t take(ibv_cq* cq, Cqe& cqe) { return take_cqes(Cq::from(cq), 1, brought_data, cqe); }

int32_t length_of(int32_t taken, const Cqe& cqe) { return taken == 1 ? static_cast<int32_t>(cqe.byte_len) : taken; }

/// A receive is a packet, and fills its buffer from the start.
uint32_t flags_of(const Cqe& cqe) {
  uint32_t flags = IBV_EXP_CQ_RX_MULTI_PACKET_LAST_V1;
  if (cqe.wc_flags & IBV_WC_IP_CSUM_OK) flags |= IBV_EXP_CQ_RX_IP_CSUM_OK | IBV_EXP_CQ_RX_TCP_UDP_CSUM_OK;
  return cqe.cvlan ? flags | IBV_EXP_CQ_RX_CVLAN_STRIPPED_V1 : flags;
}

/// What of a receive is wanted; nullptr: not that.
struct Wanted {
  uint32_t* is_inline = nullptr;  ///< never: receives are not
  uint32_t* offset = nullptr;
  uint32_t* flags = nullptr;
  uint16_t* tag = nullptr;
  uint64_t* time = nullptr;
};

int32_t poll(ibv_cq* cq, const Wanted& wanted) {
  Cqe cqe;
  const int32_t taken = take(cq, cqe);
  if (taken != 1) return taken;
  const bool stamped = (Cq::from(cq).wc_flags & IBV_WC_EX_WITH_COMPLETION_TIMESTAMP) != 0;
  if (wanted.is_inline) *wanted.is_inline = 0;
  if (wanted.offset) *wanted.offset = 0;
  if (wanted.flags)
    *wanted.flags = flags_of(cqe) | (stamped && wanted.time ? uint32_t{IBV_EXP_CQ_RX_WITH_TIMESTAMP} : 0);
  if (wanted.tag) *wanted.tag = cqe.cvlan;
  if (wanted.time) *wanted.time = stamped ? cqe.timestamp_ns : 0;
  return length_of(taken, cqe);
}

}  // namespace

ibv_exp_cq_family_v1 completion_queue_family{
    poll_count,
    [](ibv_cq* cq, void*, uint32_t* inl) { return poll(cq, {.is_inline = inl}); },
    [](ibv_cq* cq, void*, uint32_t* inl, uint32_t* flags) { return poll(cq, {.is_inline = inl, .flags = flags}); },
    [](ibv_cq* cq, uint32_t* offset, uint32_t* flags) { return poll(cq, {.offset = offset, .flags = flags}); },
    [](ibv_cq* cq, void*, uint32_t* inl, uint32_t* flags, uint16_t* tag) {
      return poll(cq, {.is_inline = inl, .flags = flags, .tag = tag});
    },
    [](ibv_cq* cq, uint32_t* offset, uint32_t* flags, uint16_t* tag) {
      return poll(cq, {.offset = offset, .flags = flags, .tag = tag});
    },
    [](ibv_cq* cq, void*, uint32_t* inl, uint32_t* flags, uint64_t* time) {
      return poll(cq, {.is_inline = inl, .flags = flags, .time = time});
    },
    [](ibv_cq* cq, uint32_t* offset, uint32_t* flags, uint64_t* time) {
      return poll(cq, {.offset = offset, .flags = flags, .time = time});
    },
    [](ibv_cq* cq, void*, uint32_t* inl, uint32_t* flags, uint16_t* tag, uint64_t* time) {
      return poll(cq, {.is_inline = inl, .flags = flags, .tag = tag, .time = time});
    },
    [](ibv_cq* cq, uint32_t* offset, uint32_t* flags, uint16_t* tag, uint64_t* time) {
      return poll(cq, {.offset = offset, .flags = flags, .tag = tag, .time = time});
    },
};

}  // namespace vb::exp
