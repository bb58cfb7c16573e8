// SPDX-License-Identifier: BSD-2-Clause
// Shared receive queues and tag matching.
#include "exp/door.h"

namespace vb::exp {
namespace {

Result<ibv_srq_type> type_of(ibv_exp_srq_type type) {
  switch (type) {
    case IBV_EXP_SRQT_BASIC: return IBV_SRQT_BASIC;
    case IBV_EXP_SRQT_XRC: return IBV_SRQT_XRC;
    case IBV_EXP_SRQT_TAG_MATCHING: return IBV_SRQT_TM;
  }
  return Error{EINVAL};
}

Result<Srq*> make_srq(Context& context, ibv_exp_create_srq_attr& attr) {
  const auto has = [&](uint32_t bit) { return (attr.comp_mask & bit) != 0; };
  if (has(~uint32_t{IBV_EXP_CREATE_SRQ_RESERVED - 1})) return Error{EINVAL};
  if (has(IBV_EXP_CREATE_SRQ_DC_OFFLOAD_PARAMS) && attr.dc_offload_params) return refuse<"tag matching over DC">();
  if (has(IBV_EXP_CREATE_SRQ_MP_WR)) return refuse<"multi-packet receives">();
  auto type = type_of(attr.srq_type);
  if (!type) return Error{type.error()};
  ibv_srq_init_attr_ex now{};
  now.srq_context = attr.base.srq_context;
  now.attr = attr.base.attr;
  now.comp_mask = IBV_SRQ_INIT_ATTR_TYPE | IBV_SRQ_INIT_ATTR_PD;
  now.srq_type = *type;
  now.pd = attr.pd;
  if (has(IBV_EXP_CREATE_SRQ_CQ)) now.comp_mask |= IBV_SRQ_INIT_ATTR_CQ, now.cq = attr.cq;
  if (has(IBV_EXP_CREATE_SRQ_XRCD)) now.comp_mask |= IBV_SRQ_INIT_ATTR_XRCD, now.xrcd = attr.xrcd;
  if (has(IBV_EXP_CREATE_SRQ_TM)) {
    now.comp_mask |= IBV_SRQ_INIT_ATTR_TM;
    now.tm_cap = {attr.tm_cap.max_num_tags, attr.tm_cap.max_ops};
  }
  auto srq = create_srq_ex(context, now);
  if (srq) attr.base.attr = now.attr;
  return srq;
}

ibv_srq* create(ibv_context* context, ibv_exp_create_srq_attr* attr) {
  return pointer_entry([&] { return make_srq(Context::from(context), *attr); });
}

/// An operation on the list of tags has not changed since.
int post_ops(ibv_srq* srq, ibv_exp_ops_wr* op, ibv_exp_ops_wr** bad_op) {
  static_assert(sizeof(ibv_exp_ops_wr) == sizeof(ibv_ops_wr));
  static_assert(offsetof(ibv_exp_ops_wr, tm.handle) == offsetof(ibv_ops_wr, tm.handle));
  static_assert(offsetof(ibv_exp_ops_wr, tm.add.mask) == offsetof(ibv_ops_wr, tm.add.mask));
  static_assert(int{IBV_EXP_WR_TAG_SYNC} == int{IBV_WR_TAG_SYNC} && int{IBV_EXP_OPS_TM_SYNC} == int{IBV_OPS_TM_SYNC});
  return post_srq_ops(Srq::from(srq), reinterpret_cast<ibv_ops_wr*>(op), reinterpret_cast<ibv_ops_wr**>(bad_op));
}

}  // namespace

void overlay_srqs(verbs_context_exp& table) {
  table.exp_create_srq = create;
  table.exp_post_srq_ops = post_ops;
}

}  // namespace vb::exp
