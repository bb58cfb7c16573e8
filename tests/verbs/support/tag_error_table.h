// SPDX-License-Identifier: BSD-2-Clause
// The errors of tag matching, as support/error_table.h has those of other queue pairs: for tag_error_test.cc and for
// docs/semantics.md.
#pragma once

#include <infiniband/verbs.h>

#include <string>
#include <vector>

#include "support/error_table.h"

namespace vt {

enum class TagError { kTooLong, kWrongKey, kNoMatch, kRendezvousWrongKey, kRemovedTwice };

struct TagErrorRow {
  TagError error;
  const char* how;       // for the document
  ibv_wc_status sender;  // of the message
  ibv_qp_state sender_state;
  int sender_event;
  int receiver;  // ibv_wc_status of the tagged receive, or of the operation; or kStays
  ibv_qp_state receiver_state;
  int receiver_event;
};

const std::vector<TagErrorRow>& tag_error_table();
std::string tag_error_table_markdown();

}  // namespace vt
