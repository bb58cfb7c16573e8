// SPDX-License-Identifier: BSD-2-Clause
// DC targets. Initiators are queue pairs: qp.cc, post.cc. The callers, inline functions, hold the context's mutex.
#include "verbs/dct.h"

#include "exp/door.h"

namespace vb::exp {
namespace {

struct ExpDct {
  ibv_exp_dct abi{};
  ibv_exp_dct_init_attr init{};
  Dct* dct = nullptr;

  static ExpDct& from(ibv_exp_dct* dct) { return *reinterpret_cast<ExpDct*>(dct); }
};

ibv_exp_dct* handle(ExpDct& dct) { return &dct.abi; }

Result<DctAttributes> translate(const ibv_exp_dct_init_attr& attr) {
  if (attr.comp_mask || attr.port > 1 || attr.gid_index >= kGidTableLength || attr.pkey_index >= kPkeyTableLength) {
    return Error{EINVAL};
  }
  // The flag there is allows what is never done: data is placed in order.
  if (attr.create_flags & ~uint32_t{IBV_EXP_DCT_CREATE_FLAGS_MASK}) return Error{EINVAL};
  DctAttributes now;
  now.pd = attr.pd ? &Pd::from(attr.pd) : nullptr;
  now.cq = attr.cq ? &Cq::from(attr.cq) : nullptr;
  now.srq = attr.srq ? &Srq::from(attr.srq) : nullptr;
  now.key = attr.dc_key;
  now.access = attr.access_flags;
  now.min_rnr_timer = attr.min_rnr_timer;
  return now;
}

Result<ExpDct*> make_dct(Context& context, const ibv_exp_dct_init_attr& attr) {
  auto now = translate(attr);
  if (!now) return Error{now.error()};
  auto own = std::make_unique<ExpDct>();
  now->element = &own->abi;
  auto dct = create_dct(context, *now);
  if (!dct) return Error{dct.error()};
  own->dct = *dct;
  own->init = attr;
  ibv_exp_dct& abi = own->abi;
  abi.context = &context.abi.context;
  abi.handle = abi.dct_num = (*dct)->transport.qpn;
  abi.pd = attr.pd;
  abi.srq = attr.srq;
  abi.cq = attr.cq;
  pthread_mutex_init(&abi.mutex, nullptr);
  pthread_cond_init(&abi.cond, nullptr);
  return own.release();
}

ibv_exp_dct* create(ibv_context* context, ibv_exp_dct_init_attr* attr) {
  return pointer_entry([&] { return make_dct(Context::from(context), *attr); });
}

int destroy(ibv_exp_dct* dct) {
  ExpDct& own = ExpDct::from(dct);
  const int error = errno_entry([&] { return destroy_dct(*own.dct); });
  if (error) return error;
  pthread_mutex_destroy(&dct->mutex);
  pthread_cond_destroy(&dct->cond);
  delete &own;
  return 0;
}

int query(ibv_exp_dct* dct, ibv_exp_dct_attr* attr) {
  if (attr->comp_mask) return EINVAL;
  const ExpDct& own = ExpDct::from(dct);
  const ibv_exp_dct_init_attr& init = own.init;
  *attr = {};
  attr->dc_key = init.dc_key;
  attr->port = init.port;
  attr->access_flags = init.access_flags;
  attr->min_rnr_timer = init.min_rnr_timer;
  attr->tclass = init.tclass;
  attr->flow_label = init.flow_label;
  attr->mtu = init.mtu;
  attr->pkey_index = init.pkey_index;
  attr->gid_index = init.gid_index;
  attr->hop_limit = init.hop_limit;
  attr->key_violations = key_violations(*own.dct);
  attr->state = IBV_EXP_DCT_STATE_ACTIVE;
  attr->srq = dct->srq;
  attr->cq = dct->cq;
  attr->pd = dct->pd;
  return 0;
}

int arm(ibv_exp_dct* dct, ibv_exp_arm_attr* attr) {
  if (attr->comp_mask) return EINVAL;
  arm_dct(*ExpDct::from(dct).dct);
  return 0;
}

}  // namespace

void overlay_dcts(verbs_context_exp& table) {
  static_assert(IBV_EXP_QPT_DC_INI == kDcInitiator);
  static_assert(IBV_EXP_EVENT_DCT_KEY_VIOLATION == kDctKeyViolation && IBV_EXP_EVENT_DCT_REQ_ERR == kDctRequestError);
  table.create_dct = create;
  table.destroy_dct = destroy;
  table.query_dct = query;
  table.drv_exp_arm_dct = table.lib_exp_arm_dct = arm;
}

}  // namespace vb::exp
