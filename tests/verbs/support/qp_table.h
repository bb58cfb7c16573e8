// SPDX-License-Identifier: BSD-2-Clause
// The QP state machine of the InfiniBand specification (vol. 1, chapters "Software Transport Interface" and "Software
// Transport Verbs", modify queue pair) as data: for each transition the attributes that modify_qp must be given and
// those that it may be given.
#pragma once

#include <infiniband/verbs.h>

#include <string>
#include <vector>

namespace vt {

struct Transition {
  ibv_qp_state from, to;
  int required_rc, required_uc;  // IBV_QP_STATE is always required
  int optional_rc, optional_uc;
  int required_ud = 0, optional_ud = 0;

  int required(ibv_qp_type type) const {
    return IBV_QP_STATE | (type == IBV_QPT_RC ? required_rc : type == IBV_QPT_UC ? required_uc : required_ud);
  }
  int optional(ibv_qp_type type) const {
    return type == IBV_QPT_RC ? optional_rc : type == IBV_QPT_UC ? optional_uc : optional_ud;
  }
};

namespace table {
constexpr int kInit = IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS;
constexpr int kRtrUc = IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN;
constexpr int kRtrRc = kRtrUc | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER;
constexpr int kRtrOptional = IBV_QP_ALT_PATH | IBV_QP_ACCESS_FLAGS | IBV_QP_PKEY_INDEX;
constexpr int kRtsUc = IBV_QP_SQ_PSN;
constexpr int kRtsRc = kRtsUc | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_MAX_QP_RD_ATOMIC;
constexpr int kLiveUc = IBV_QP_CUR_STATE | IBV_QP_ALT_PATH | IBV_QP_ACCESS_FLAGS | IBV_QP_PATH_MIG_STATE;
constexpr int kLiveRc = kLiveUc | IBV_QP_MIN_RNR_TIMER;
constexpr int kDrainedUc =
    IBV_QP_AV | IBV_QP_ALT_PATH | IBV_QP_ACCESS_FLAGS | IBV_QP_PKEY_INDEX | IBV_QP_PATH_MIG_STATE;
constexpr int kDrainedRc = kDrainedUc | IBV_QP_PORT | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
                           IBV_QP_MAX_QP_RD_ATOMIC | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER;
constexpr int kInitUd = IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY;
constexpr int kLiveUd = IBV_QP_CUR_STATE | IBV_QP_QKEY;
constexpr int kDrainedUd = IBV_QP_PKEY_INDEX | IBV_QP_QKEY;
}  // namespace table

inline const std::vector<Transition>& transitions() {
  using namespace table;
  static const std::vector<Transition> all = {
      {IBV_QPS_RESET, IBV_QPS_RESET, 0, 0, 0, 0},
      {IBV_QPS_RESET, IBV_QPS_INIT, kInit, kInit, 0, 0, kInitUd, 0},
      {IBV_QPS_INIT, IBV_QPS_RESET, 0, 0, 0, 0},
      {IBV_QPS_INIT, IBV_QPS_ERR, 0, 0, 0, 0},
      {IBV_QPS_INIT, IBV_QPS_INIT, 0, 0, kInit, kInit, 0, kInitUd},
      {IBV_QPS_INIT, IBV_QPS_RTR, kRtrRc, kRtrUc, kRtrOptional, kRtrOptional, 0, kDrainedUd},
      {IBV_QPS_RTR, IBV_QPS_RESET, 0, 0, 0, 0},
      {IBV_QPS_RTR, IBV_QPS_ERR, 0, 0, 0, 0},
      {IBV_QPS_RTR, IBV_QPS_RTS, kRtsRc, kRtsUc, kLiveRc, kLiveUc, IBV_QP_SQ_PSN, kLiveUd},
      {IBV_QPS_RTS, IBV_QPS_RESET, 0, 0, 0, 0},
      {IBV_QPS_RTS, IBV_QPS_ERR, 0, 0, 0, 0},
      {IBV_QPS_RTS, IBV_QPS_RTS, 0, 0, kLiveRc, kLiveUc, 0, kLiveUd},
      {IBV_QPS_RTS, IBV_QPS_SQD, 0, 0, IBV_QP_EN_SQD_ASYNC_NOTIFY, IBV_QP_EN_SQD_ASYNC_NOTIFY, 0,
       IBV_QP_EN_SQD_ASYNC_NOTIFY},
      {IBV_QPS_SQD, IBV_QPS_RESET, 0, 0, 0, 0},
      {IBV_QPS_SQD, IBV_QPS_ERR, 0, 0, 0, 0},
      {IBV_QPS_SQD, IBV_QPS_RTS, 0, 0, kLiveRc, kLiveUc, 0, kLiveUd},
      {IBV_QPS_SQD, IBV_QPS_SQD, 0, 0, kDrainedRc, kDrainedUc, 0, kDrainedUd},
      {IBV_QPS_ERR, IBV_QPS_RESET, 0, 0, 0, 0},
      {IBV_QPS_ERR, IBV_QPS_ERR, 0, 0, 0, 0},
  };
  return all;
}

inline const Transition* find_transition(ibv_qp_state from, ibv_qp_state to) {
  for (const Transition& one : transitions())
    if (one.from == from && one.to == to) return &one;
  return nullptr;
}

inline std::string state_name(ibv_qp_state state) {
  static const char* const names[] = {"RESET", "INIT", "RTR", "RTS", "SQD", "SQE", "ERR"};
  return names[state];
}

// Every attribute bit the table speaks of; IBV_QP_CAP is never allowed, IBV_QP_QKEY for UD only.
constexpr int kAttributeBits[] = {IBV_QP_CUR_STATE,
                                  IBV_QP_EN_SQD_ASYNC_NOTIFY,
                                  IBV_QP_ACCESS_FLAGS,
                                  IBV_QP_PKEY_INDEX,
                                  IBV_QP_PORT,
                                  IBV_QP_QKEY,
                                  IBV_QP_AV,
                                  IBV_QP_PATH_MTU,
                                  IBV_QP_TIMEOUT,
                                  IBV_QP_RETRY_CNT,
                                  IBV_QP_RNR_RETRY,
                                  IBV_QP_RQ_PSN,
                                  IBV_QP_MAX_QP_RD_ATOMIC,
                                  IBV_QP_ALT_PATH,
                                  IBV_QP_MIN_RNR_TIMER,
                                  IBV_QP_SQ_PSN,
                                  IBV_QP_MAX_DEST_RD_ATOMIC,
                                  IBV_QP_PATH_MIG_STATE,
                                  IBV_QP_DEST_QPN};

}  // namespace vt
