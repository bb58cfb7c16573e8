// SPDX-License-Identifier: BSD-2-Clause
// Which tables of functions there are, and that of receive work queues, which are filled in no other way.
#include "exp/interface.h"

#include "exp/wq.h"

namespace vb::exp {
namespace {

int post(ibv_exp_wq* wq, ibv_sge* list, int count) {
  ibv_recv_wr wr{0, nullptr, list, count}, *bad;
  return post_wq_recv(Wq::from(ExpWq::from(wq).real), &wr, &bad);
}

int receive_list(ibv_exp_wq* wq, ibv_sge* list, uint32_t count) { return post(wq, list, static_cast<int>(count)); }

int receive_burst(ibv_exp_wq* wq, ibv_sge* list, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    if (const int error = post(wq, list + i, 1)) return error;
  }
  return 0;
}

ibv_exp_wq_family work_queue_family{receive_list, receive_burst};

ibv_exp_query_intf_status status_of(const ibv_exp_query_intf_params& params) {
  if (params.comp_mask) return IBV_EXP_INTF_STAT_INVAL_PARARM;
  if (params.intf_scope != IBV_EXP_INTF_GLOBAL) return IBV_EXP_INTF_STAT_VENDOR_NOT_SUPPORTED;
  if (params.intf >= IBV_EXP_INTF_RESERVED) return IBV_EXP_INTF_STAT_INTF_NOT_SUPPORTED;
  if (params.intf_version > (params.intf == IBV_EXP_INTF_WQ ? 0 : 1)) return IBV_EXP_INTF_STAT_VERSION_NOT_SUPPORTED;
  if (!params.obj) return IBV_EXP_INTF_STAT_INVAL_OBJ;
  if (params.flags & ~uint32_t{IBV_EXP_QUERY_INTF_FLAG_ENABLE_CHECKS}) return IBV_EXP_INTF_STAT_FLAGS_NOT_SUPPORTED;
  if (params.intf == IBV_EXP_INTF_QP_BURST) return queue_pair_status(params);
  return params.family_flags ? IBV_EXP_INTF_STAT_FAMILY_FLAGS_NOT_SUPPORTED : IBV_EXP_INTF_STAT_OK;
}

void* query(ibv_context*, ibv_exp_query_intf_params* params, ibv_exp_query_intf_status* status) {
  *status = status_of(*params);
  if (*status != IBV_EXP_INTF_STAT_OK) return nullptr;
  switch (params->intf) {
    case IBV_EXP_INTF_QP_BURST: return &queue_pair_family;
    case IBV_EXP_INTF_CQ: return &completion_queue_family;
    default: return &work_queue_family;
  }
}

int release_interface(ibv_context*, void* interface, ibv_exp_release_intf_params* params) {
  const bool ours =
      interface == &work_queue_family || interface == &queue_pair_family || interface == &completion_queue_family;
  return ours && !(params && params->comp_mask) ? 0 : errno = EINVAL;
}

}  // namespace

void overlay_interfaces(verbs_context_exp& table) {
  table.exp_query_intf = query;
  table.exp_release_intf = release_interface;
}

}  // namespace vb::exp
