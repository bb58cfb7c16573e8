// SPDX-License-Identifier: BSD-2-Clause
// The queue pair state machine as a table: which transitions exist, and which attributes each needs and takes.
// InfiniBand specification, 10.3.1 and table 91 (QP state transition properties); ibv_modify_qp(3).
#pragma once

#include <infiniband/verbs.h>

namespace vb {

struct Transition {
  bool valid = false;
  int required = 0;
  int optional = 0;
};

/// Of a queue pair of `type`, from `from` to `to` (which may be the same).
Transition qp_transition(ibv_qp_type type, ibv_qp_state from, ibv_qp_state to);

/// Attributes that a queue pair of this type has no use for and may be given: an XRC queue pair is half of one.
int ignored_attributes(ibv_qp_type type);

}  // namespace vb
