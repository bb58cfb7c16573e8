// SPDX-License-Identifier: BSD-2-Clause
// Tables of functions of a vendor's. Of the three families the one that fills receive work queues is here, because
// there is no other way to fill them; the other two do what ibv_exp_post_send and ibv_exp_poll_cq do.
#include "exp/door.h"
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

ibv_exp_wq_family work_queues{receive_list, receive_burst};

ibv_exp_query_intf_status status_of(const ibv_exp_query_intf_params& params) {
  if (params.comp_mask) return IBV_EXP_INTF_STAT_INVAL_PARARM;
  if (params.intf_scope != IBV_EXP_INTF_GLOBAL || params.intf != IBV_EXP_INTF_WQ) {
    return IBV_EXP_INTF_STAT_VENDOR_NOT_SUPPORTED;
  }
  if (params.intf_version != 0) return IBV_EXP_INTF_STAT_VERSION_NOT_SUPPORTED;
  if (!params.obj) return IBV_EXP_INTF_STAT_INVAL_OBJ;
  if (params.flags & ~uint32_t{IBV_EXP_QUERY_INTF_FLAG_ENABLE_CHECKS}) return IBV_EXP_INTF_STAT_FLAGS_NOT_SUPPORTED;
  return params.family_flags ? IBV_EXP_INTF_STAT_FAMILY_FLAGS_NOT_SUPPORTED : IBV_EXP_INTF_STAT_OK;
}

void* query(ibv_context*, ibv_exp_query_intf_params* params, ibv_exp_query_intf_status* status) {
  *status = status_of(*params);
  if (*status == IBV_EXP_INTF_STAT_OK) return &work_queues;
  if (*status == IBV_EXP_INTF_STAT_VENDOR_NOT_SUPPORTED) report_unsupported<"a family of ibv_exp_query_intf">();
  return nullptr;
}

int release_interface(ibv_context*, void* interface, ibv_exp_release_intf_params* params) {
  return interface == &work_queues && !(params && params->comp_mask) ? 0 : errno = EINVAL;
}

}  // namespace

void overlay_interfaces(verbs_context_exp& table) {
  table.exp_query_intf = query;
  table.exp_release_intf = release_interface;
}

}  // namespace vb::exp
