// SPDX-License-Identifier: BSD-2-Clause
// The tables of functions that programs ask for: ibv_exp_query_intf.
#pragma once

#include "exp/door.h"

namespace vb::exp {

/// Of version 1; version 0 is their beginning.
extern ibv_exp_qp_burst_family_v1 queue_pair_family;
extern ibv_exp_cq_family_v1 completion_queue_family;

/// Whether the object can have such a table.
ibv_exp_query_intf_status queue_pair_status(const ibv_exp_query_intf_params& params);

}  // namespace vb::exp
