// SPDX-License-Identifier: BSD-2-Clause
// The errors that a requester and a responder can see, as data: how each is provoked, and what both ends get. One table
// for the test (error_table_test.cc) and for the document (docs/semantics.md).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "support/side.h"

namespace vt {

constexpr int kNoEvent = -1;
constexpr int kStays = -1;  // the receive is not touched

// What one error does. What follows from a state is not repeated here: in ERR everything that is posted flushes; in SQE
// the send queue does, and the receive queue goes on; in RTS all goes on.
struct ErrorOutcome {
  ibv_wc_status sender;  // of the request that provokes it
  ibv_qp_state sender_state;
  int receiver;  // ibv_wc_status of the receive that is next in line, or kStays
  ibv_qp_state receiver_state;
  int receiver_event = kNoEvent;  // ibv_event_type; the sender gets none: its completion says all
};

struct Ends {
  Side& a;  // sends
  Side& b;  // receives
  Address at_a, at_b;
  uint64_t a_to_b = 0;  // an address handle, of datagrams
};

struct ErrorRow {
  const char* name;
  ibv_qp_type type;
  const char* how;                  // for the document
  SendWr (*request)(const Ends&);   // prepares, and gives the request; a datagram has its address already, or not
  RecvWr (*receive)(const Ends&);   // the receive that it meets
  void (*shape)(Link& a, Link& b);  // nullptr: connected as usual
  ErrorOutcome wanted;
  std::optional<ErrorOutcome> rxe = {};  // where rdma_rxe differs
  const char* why = "";                  // ... the rule that it breaks
  bool receives = true;                  // false: the receiver posts none
  bool no_receiver = false;              // the receiver is gone, and cannot be asked
  const char* rxe_instead = "";          // what rdma_rxe does that is no outcome at all; the test skips there
};

const std::vector<ErrorRow>& error_table();

// The table as docs/semantics.md has it.
std::string error_table_markdown();

}  // namespace vt
