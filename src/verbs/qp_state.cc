// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/qp_state.h"

#include "transport/send_queue.h"

namespace vb {

namespace {

struct Row {
  ibv_qp_state from;
  ibv_qp_state to;
  int required_rc;
  int required_uc;
  int optional_rc;
  int optional_uc;
};

/// What is about the requester, and what about the responder: an XRC queue pair is one of the two.
constexpr int kOfRequester = IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_MAX_QP_RD_ATOMIC;
constexpr int kOfResponder = IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER;

constexpr int kInit = IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS;
constexpr int kPath = IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN;
constexpr int kLive = IBV_QP_CUR_STATE | IBV_QP_ALT_PATH | IBV_QP_ACCESS_FLAGS | IBV_QP_PATH_MIG_STATE;
constexpr int kRetry = IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY;
constexpr int kDrained = (kLive & ~IBV_QP_CUR_STATE) | IBV_QP_AV | IBV_QP_PKEY_INDEX;

constexpr Row kRows[] = {
    {IBV_QPS_RESET, IBV_QPS_INIT, kInit, kInit, 0, 0},
    {IBV_QPS_INIT, IBV_QPS_INIT, 0, 0, kInit, kInit},
    {IBV_QPS_INIT, IBV_QPS_RTR, kPath | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER, kPath,
     IBV_QP_ALT_PATH | IBV_QP_ACCESS_FLAGS | IBV_QP_PKEY_INDEX,
     IBV_QP_ALT_PATH | IBV_QP_ACCESS_FLAGS | IBV_QP_PKEY_INDEX},
    {IBV_QPS_RTR, IBV_QPS_RTS, kRetry | IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC, IBV_QP_SQ_PSN,
     kLive | IBV_QP_MIN_RNR_TIMER, kLive},
    {IBV_QPS_RTS, IBV_QPS_RTS, 0, 0, kLive | IBV_QP_MIN_RNR_TIMER, kLive},
    {IBV_QPS_RTS, IBV_QPS_SQD, 0, 0, IBV_QP_EN_SQD_ASYNC_NOTIFY, IBV_QP_EN_SQD_ASYNC_NOTIFY},
    {IBV_QPS_SQD, IBV_QPS_RTS, 0, 0, kLive | IBV_QP_MIN_RNR_TIMER, kLive},
    {IBV_QPS_SQD, IBV_QPS_SQD, 0, 0,
     kDrained | kRetry | IBV_QP_PORT | IBV_QP_MAX_QP_RD_ATOMIC | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER,
     kDrained},
    {IBV_QPS_SQE, IBV_QPS_RTS, 0, 0, 0, IBV_QP_CUR_STATE | IBV_QP_ACCESS_FLAGS},
};

/// For types that have nothing in common with connected ones.
struct SpecialRow {
  ibv_qp_state from;
  ibv_qp_state to;
  Transition transition;
};

constexpr int kDatagramLive = IBV_QP_CUR_STATE | IBV_QP_QKEY;

/// Unreliable datagrams: no peer, no retries, but a Q_Key.
constexpr SpecialRow kDatagramRows[] = {
    {IBV_QPS_RESET, IBV_QPS_INIT, {true, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY, 0}},
    {IBV_QPS_INIT, IBV_QPS_INIT, {true, 0, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY}},
    {IBV_QPS_INIT, IBV_QPS_RTR, {true, 0, IBV_QP_PKEY_INDEX | IBV_QP_QKEY}},
    {IBV_QPS_RTR, IBV_QPS_RTS, {true, IBV_QP_SQ_PSN, kDatagramLive}},
    {IBV_QPS_RTS, IBV_QPS_RTS, {true, 0, kDatagramLive}},
    {IBV_QPS_RTS, IBV_QPS_SQD, {true, 0, IBV_QP_EN_SQD_ASYNC_NOTIFY}},
    {IBV_QPS_SQD, IBV_QPS_RTS, {true, 0, kDatagramLive}},
    {IBV_QPS_SQD, IBV_QPS_SQD, {true, 0, IBV_QP_PKEY_INDEX | IBV_QP_QKEY}},
    {IBV_QPS_SQE, IBV_QPS_RTS, {true, 0, kDatagramLive}},
};

/// Raw packets: a port, and a rate.
constexpr SpecialRow kRawRows[] = {
    {IBV_QPS_RESET, IBV_QPS_INIT, {true, IBV_QP_PORT, 0}},
    {IBV_QPS_INIT, IBV_QPS_INIT, {true, 0, IBV_QP_PORT}},
    {IBV_QPS_INIT, IBV_QPS_RTR, {true, 0, 0}},
    {IBV_QPS_RTR, IBV_QPS_RTS, {true, 0, IBV_QP_CUR_STATE | IBV_QP_RATE_LIMIT}},
    {IBV_QPS_RTS, IBV_QPS_RTS, {true, 0, IBV_QP_CUR_STATE | IBV_QP_RATE_LIMIT}},
    {IBV_QPS_RTS, IBV_QPS_SQD, {true, 0, IBV_QP_EN_SQD_ASYNC_NOTIFY}},
    {IBV_QPS_SQD, IBV_QPS_RTS, {true, 0, IBV_QP_CUR_STATE}},
    {IBV_QPS_SQD, IBV_QPS_SQD, {true, 0, 0}},
};

/// DC initiators: each work request says where it goes, so there is no peer; the path is only how to get there.
constexpr SpecialRow kDcRows[] = {
    {IBV_QPS_RESET, IBV_QPS_INIT, {true, IBV_QP_PKEY_INDEX | IBV_QP_PORT, IBV_QP_ACCESS_FLAGS}},
    {IBV_QPS_INIT, IBV_QPS_INIT, {true, 0, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS}},
    {IBV_QPS_INIT, IBV_QPS_RTR, {true, IBV_QP_PATH_MTU, IBV_QP_AV | IBV_QP_PKEY_INDEX}},
    {IBV_QPS_RTR, IBV_QPS_RTS, {true, kRetry, IBV_QP_CUR_STATE | IBV_QP_MAX_QP_RD_ATOMIC | IBV_QP_SQ_PSN}},
    {IBV_QPS_RTS, IBV_QPS_RTS, {true, 0, IBV_QP_CUR_STATE}},
    {IBV_QPS_RTS, IBV_QPS_SQD, {true, 0, IBV_QP_EN_SQD_ASYNC_NOTIFY}},
    {IBV_QPS_SQD, IBV_QPS_RTS, {true, 0, IBV_QP_CUR_STATE}},
    {IBV_QPS_SQD, IBV_QPS_SQD, {true, 0, kRetry | IBV_QP_MAX_QP_RD_ATOMIC}},
};

template <size_t kCount>
Transition find(const SpecialRow (&rows)[kCount], ibv_qp_state from, ibv_qp_state to) {
  for (const SpecialRow& row : rows) {
    if (row.from == from && row.to == to) return row.transition;
  }
  return {};
}

}  // namespace

int ignored_attributes(ibv_qp_type type) {
  return type == IBV_QPT_XRC_SEND ? kOfResponder : type == IBV_QPT_XRC_RECV ? kOfRequester : 0;
}

Transition qp_transition(ibv_qp_type type, ibv_qp_state from, ibv_qp_state to) {
  if (to == IBV_QPS_RESET || (to == IBV_QPS_ERR && from != IBV_QPS_RESET)) return {true, 0, 0};
  if (type == IBV_QPT_UD) return find(kDatagramRows, from, to);
  if (type == IBV_QPT_RAW_PACKET) return find(kRawRows, from, to);
  if (type == kDcInitiator) return find(kDcRows, from, to);
  bool reliable = type != IBV_QPT_UC;
  int foreign = ignored_attributes(type);
  for (const Row& row : kRows) {
    if (row.from != from || row.to != to || (from == IBV_QPS_SQE && reliable)) continue;
    if (!reliable) return {true, row.required_uc, row.optional_uc};
    return {true, row.required_rc & ~foreign, row.optional_rc & ~foreign};
  }
  return {};
}

}  // namespace vb
