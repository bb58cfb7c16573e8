// SPDX-License-Identifier: BSD-2-Clause
// What every file of this door includes. An entry point reads: whose object, the handle's engine object, one call, the
// error in the function's own convention. native_<name> is the system library's function of that name.
#pragma once

#include "unlisted.h"

#include "entry.h"
#include "handles.h"
#include "ibverbs_native.h"
#include "unsupported.h"

namespace vb::door {

/// Tables (tables.cc, cq_ex.cc, qp_ex.cc): every pointer is set, those that nothing implements to unsupported ones.
void fill_tables(Context& context);
void overlay_domains(verbs_context& table);  ///< td.cc
void overlay_older(ibv_context_ops& ops);    ///< ops_older.cc
void overlay_windows(ibv_context_ops& ops);
void overlay_regions(verbs_context& table);
void overlay_device_memory(verbs_context& table);
void overlay_counters(verbs_context& table);     ///< counters.cc
void overlay_flows(verbs_context& table);        ///< flow.cc
void overlay_work_queues(verbs_context& table);  ///< wq.cc
void fill_experimental(Context& context);        ///< exp/table.cc
void fill_accessors(Cq& cq);
void fill_builders(Qp& qp);

}  // namespace vb::door
