// SPDX-License-Identifier: BSD-2-Clause
// The engine's objects as the program sees them, and whose object a handle is.
#pragma once

#include <infiniband/verbs.h>

#include "verbs/ah.h"
#include "verbs/comp_channel.h"
#include "verbs/comp_cntr.h"
#include "verbs/context.h"
#include "verbs/counters.h"
#include "verbs/cq.h"
#include "verbs/device.h"
#include "verbs/dm.h"
#include "verbs/dmah.h"
#include "verbs/flow.h"
#include "verbs/mr.h"
#include "verbs/mw.h"
#include "verbs/pd.h"
#include "verbs/qp.h"
#include "verbs/rwq_ind_table.h"
#include "verbs/srq.h"
#include "verbs/td.h"
#include "verbs/wq.h"
#include "verbs/xrcd.h"

namespace vb {

inline ibv_context* handle(Context& context) { return &context.abi.context; }
inline ibv_pd* handle(Pd& pd) { return &pd.abi; }
inline ibv_counters* handle(Counters& counters) { return &counters.abi; }
inline ibv_flow* handle(Flow& flow) { return &flow.abi; }
inline ibv_wq* handle(Wq& wq) { return &wq.abi; }
inline ibv_rwq_ind_table* handle(RwqIndTable& table) { return &table.abi; }
inline ibv_td* handle(Td& td) { return &td.abi; }
inline ibv_dm* handle(Dm& dm) { return &dm.abi; }
inline ibv_mw* handle(Mw& mw) { return &mw.abi; }
inline ibv_mr* handle(Mr& mr) { return &mr.abi; }
inline ibv_comp_channel* handle(CompChannel& channel) { return &channel.abi; }
inline ibv_cq* handle(Cq& cq) { return reinterpret_cast<ibv_cq*>(&cq.abi); }
inline ibv_ah* handle(Ah& ah) { return &ah.abi; }
inline ibv_comp_cntr* handle(CompCntr& counter) { return &counter.abi; }
inline ibv_dmah* handle(Dmah& dmah) { return &dmah.abi; }
inline ibv_srq* handle(Srq& srq) { return &srq.abi; }
inline ibv_xrcd* handle(Xrcd& xrcd) { return &xrcd.abi; }
inline ibv_qp* handle(Qp& qp) { return &qp.abi.qp_base; }

/// Every verbs object but a device leads to its context.
template <class Object>
bool ours(const Object* object) {
  return ours(object->context);
}

}  // namespace vb
