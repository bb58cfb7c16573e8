// SPDX-License-Identifier: BSD-2-Clause
#include "exp/wq.h"

#include <vector>

namespace vb::exp {
namespace {

Result<ibv_wq_init_attr> translate(const ibv_exp_wq_init_attr& attr) {
  const auto has = [&](uint32_t bit) { return (attr.comp_mask & bit) != 0; };
  if (has(~uint32_t{IBV_EXP_CREATE_WQ_RESERVED - 1}) || attr.wq_type != IBV_EXP_WQT_RQ) return Error{EINVAL};
  if (has(IBV_EXP_CREATE_WQ_MP_RQ)) return refuse<"multi-packet receives">();
  if (has(IBV_EXP_CREATE_WQ_FLAGS) && attr.flags) return refuse<"ibv_exp_wq_init_attr.flags">();
  const uint16_t vlan = has(IBV_EXP_CREATE_WQ_VLAN_OFFLOADS) ? attr.vlan_offloads : uint16_t{0};
  if (vlan & ~IBV_EXP_RECEIVE_WQ_CVLAN_STRIP) return refuse<"insertion of VLAN tags">();
  ibv_wq_init_attr now{};
  now.wq_context = attr.wq_context;
  now.wq_type = IBV_WQT_RQ;
  now.max_wr = attr.max_recv_wr;
  now.max_sge = attr.max_recv_sge;
  now.pd = attr.pd;
  now.cq = attr.cq;
  if (vlan) now.comp_mask = IBV_WQ_INIT_ATTR_FLAGS, now.create_flags = IBV_WQ_FLAGS_CVLAN_STRIPPING;
  return now;
}

/// What the inline functions of today do for a work queue: its mutex and its condition.
ibv_wq* begin(ibv_wq* wq) {
  pthread_mutex_init(&wq->mutex, nullptr);
  pthread_cond_init(&wq->cond, nullptr);
  return wq;
}

Result<ExpWq*> make_wq(Context& context, ibv_exp_wq_init_attr& attr) {
  auto now = translate(attr);
  if (!now) return Error{now.error()};
  auto own = std::make_unique<ExpWq>();
  auto wq = create_wq(context, *now);
  if (!wq) return Error{wq.error()};
  own->real = begin(handle(**wq));
  const bool in_domain = (attr.comp_mask & IBV_EXP_CREATE_WQ_RES_DOMAIN) && attr.res_domain;
  if (in_domain) own->holds = ResDomain::from(attr.res_domain).reference;
  attr.max_recv_wr = now->max_wr;
  attr.max_recv_sge = now->max_sge;
  own->abi = {&context.abi.context, attr.wq_context,   own->real->handle, attr.pd, attr.cq, nullptr,
              own->real->wq_num,    IBV_EXP_WQS_RESET, IBV_EXP_WQT_RQ,    0};
  return own.release();
}

ibv_exp_wq* create(ibv_context* context, ibv_exp_wq_init_attr* attr) {
  return pointer_entry([&] { return make_wq(Context::from(context), *attr); });
}

int modify(ibv_exp_wq* wq, ibv_exp_wq_attr* attr) {
  static_assert(int{IBV_EXP_WQS_RDY} == int{IBV_WQS_RDY} && int{IBV_EXP_WQS_ERR} == int{IBV_WQS_ERR});
  if (attr->attr_mask & ~uint32_t{IBV_EXP_WQ_ATTR_RESERVED - 1}) return EINVAL;
  if (attr->vlan_offloads & ~IBV_EXP_RECEIVE_WQ_CVLAN_STRIP) return refuse<"insertion of VLAN tags">().code;
  ibv_wq_attr now{};
  if (attr->attr_mask & IBV_EXP_WQ_ATTR_STATE) now.attr_mask |= IBV_WQ_ATTR_STATE;
  if (attr->attr_mask & IBV_EXP_WQ_ATTR_CURR_STATE) now.attr_mask |= IBV_WQ_ATTR_CURR_STATE;
  if (attr->attr_mask & IBV_EXP_WQ_ATTR_VLAN_OFFLOADS) now.attr_mask |= IBV_WQ_ATTR_FLAGS;
  now.wq_state = static_cast<ibv_wq_state>(attr->wq_state);
  now.curr_wq_state = static_cast<ibv_wq_state>(attr->curr_wq_state);
  now.flags = attr->vlan_offloads ? IBV_WQ_FLAGS_CVLAN_STRIPPING : 0;
  now.flags_mask = IBV_WQ_FLAGS_CVLAN_STRIPPING;
  ExpWq& own = ExpWq::from(wq);
  const int error = errno_entry([&] { return modify_wq(Wq::from(own.real), now); });
  wq->state = static_cast<ibv_exp_wq_state>(own.real->state);
  return error;
}

int destroy(ibv_exp_wq* wq) {
  ExpWq& own = ExpWq::from(wq);
  const int error = errno_entry([&] { return destroy_wq(Wq::from(own.real)); });
  if (error == 0) delete &own;
  return error;
}

Result<ExpTable*> make_table(Context& context, const ibv_exp_rwq_ind_table_init_attr& attr) {
  if (attr.comp_mask || attr.log_ind_tbl_size > 31 || !attr.ind_tbl) return Error{EINVAL};
  std::vector<ibv_wq*> queues;
  for (uint64_t i = 0; i < uint64_t{1} << attr.log_ind_tbl_size; ++i) {
    if (!attr.ind_tbl[i]) return Error{EINVAL};
    queues.push_back(ExpWq::from(attr.ind_tbl[i]).real);
  }
  auto own = std::make_unique<ExpTable>();
  ibv_rwq_ind_table_init_attr now{attr.log_ind_tbl_size, queues.data(), 0};
  auto table = create_rwq_ind_table(context, now);
  if (!table) return Error{table.error()};
  own->real = handle(**table);
  const int number = own->real->ind_tbl_num;
  own->abi = {&context.abi.context, attr.pd, own->real->ind_tbl_handle, number, 0};
  return own.release();
}

ibv_exp_rwq_ind_table* create_table(ibv_context* context, ibv_exp_rwq_ind_table_init_attr* attr) {
  return pointer_entry([&] { return make_table(Context::from(context), *attr); });
}

int destroy_table(ibv_exp_rwq_ind_table* table) {
  ExpTable& own = ExpTable::from(table);
  const int error = errno_entry([&] { return destroy_rwq_ind_table(RwqIndTable::from(own.real)); });
  if (error == 0) delete &own;
  return error;
}

}  // namespace

void overlay_work_queues(verbs_context_exp& table) {
  table.exp_create_wq = create;
  table.exp_modify_wq = modify;
  table.exp_destroy_wq = destroy;
  table.exp_create_rwq_ind_table = create_table;
  table.exp_destroy_rwq_ind_table = destroy_table;
}

}  // namespace vb::exp
