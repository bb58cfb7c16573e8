// SPDX-License-Identifier: BSD-2-Clause
#include "support/tag_error_table.h"

namespace vt {
namespace {

constexpr ibv_qp_state kRts = IBV_QPS_RTS, kErr = IBV_QPS_ERR;

// A queue pair on an SRQ that goes to ERR has taken its last receive.
constexpr int kLast = IBV_EVENT_QP_LAST_WQE_REACHED;

const std::vector<TagErrorRow> kRows = {
    {TagError::kTooLong, "EAGER of 64 bytes to a tagged receive of 63", IBV_WC_REM_INV_REQ_ERR, kErr, kNoEvent,
     IBV_WC_LOC_LEN_ERR, kErr, kLast},
    {TagError::kWrongKey, "EAGER to a tagged receive with an L_Key that does not exist", IBV_WC_REM_OP_ERR, kErr,
     kNoEvent, IBV_WC_LOC_PROT_ERR, kErr, kLast},
    {TagError::kNoMatch, "EAGER that matches no tag and finds no receive, rnr_retry 0", IBV_WC_RNR_RETRY_EXC_ERR, kErr,
     kNoEvent, kStays, kRts, kNoEvent},
    {TagError::kRendezvousWrongKey, "RNDV that announces an R_Key that does not exist", IBV_WC_SUCCESS, kErr,
     IBV_EVENT_QP_ACCESS_ERR, IBV_WC_TM_RNDV_INCOMPLETE, kErr, kLast},
    {TagError::kRemovedTwice, "a tag is taken off the list that has been taken off", IBV_WC_SUCCESS, kRts, kNoEvent,
     IBV_WC_TM_ERR, kRts, kNoEvent},
};

const char* name_of(int status) {
  switch (status) {
    case kStays: return "stays";
    case IBV_WC_SUCCESS: return "SUCCESS";
    case IBV_WC_LOC_LEN_ERR: return "LOC_LEN_ERR";
    case IBV_WC_LOC_PROT_ERR: return "LOC_PROT_ERR";
    case IBV_WC_REM_INV_REQ_ERR: return "REM_INV_REQ_ERR";
    case IBV_WC_REM_OP_ERR: return "REM_OP_ERR";
    case IBV_WC_RNR_RETRY_EXC_ERR: return "RNR_RETRY_EXC_ERR";
    case IBV_WC_TM_ERR: return "TM_ERR";
    case IBV_WC_TM_RNDV_INCOMPLETE: return "TM_RNDV_INCOMPLETE";
    default: return "?";
  }
}

const char* state_name(ibv_qp_state state) { return state == kRts ? "RTS" : "ERR"; }

const char* event_name(int event) {
  return event == IBV_EVENT_QP_ACCESS_ERR ? "QP_ACCESS_ERR" : event == kLast ? "QP_LAST_WQE_REACHED" : "none";
}

}  // namespace

const std::vector<TagErrorRow>& tag_error_table() { return kRows; }

std::string tag_error_table_markdown() {
  std::string text =
      "\nOf messages to a tag-matching SRQ, which rdma_rxe does not have. What the SRQ holds besides stays there:\n\n"
      "| how | sender: status | state | event | receiver: its tagged receive | state | event |\n"
      "| --- | --- | --- | --- | --- | --- | --- |\n";
  for (const TagErrorRow& row : kRows) {
    text += std::string("| ") + row.how + " | " + name_of(row.sender) + " | " + state_name(row.sender_state) + " | " +
            event_name(row.sender_event) + " | " + name_of(row.receiver) + " | " + state_name(row.receiver_state) +
            " | " + event_name(row.receiver_event) + " |\n";
  }
  return text;
}

}  // namespace vt
