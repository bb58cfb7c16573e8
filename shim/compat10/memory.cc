// SPDX-License-Identifier: BSD-2-Clause
// Protection domains, memory regions and address handles of IBVERBS_1.0.
#include "compat10/door.h"

using vb::compat10::Ah;
using vb::compat10::Context;
using vb::compat10::Mr;
using vb::compat10::Pd;
using vb::compat10::unwrap;
using vb::compat10::wrap;

VB_DOOR Pd* vb_ibv_alloc_pd_1_0(Context* context) {
  auto* pd = wrap<Pd>(ibv_alloc_pd(context->real), ibv_dealloc_pd);
  if (!pd) return nullptr;
  pd->context = context;
  pd->handle = pd->real->handle;
  return pd;
}

VB_DOOR int vb_ibv_dealloc_pd_1_0(Pd* pd) { return unwrap(pd, ibv_dealloc_pd); }

VB_DOOR Mr* vb_ibv_reg_mr_1_0(Pd* pd, void* addr, size_t length, int access) {
  auto* mr = wrap<Mr>(ibv_reg_mr(pd->real, addr, length, access), ibv_dereg_mr);
  if (!mr) return nullptr;
  mr->context = pd->context;
  mr->pd = pd;
  mr->handle = mr->real->handle;
  mr->lkey = mr->real->lkey;
  mr->rkey = mr->real->rkey;
  return mr;
}

VB_DOOR int vb_ibv_dereg_mr_1_0(Mr* mr) { return unwrap(mr, ibv_dereg_mr); }

VB_DOOR Ah* vb_ibv_create_ah_1_0(Pd* pd, ibv_ah_attr* attr) {
  auto* ah = wrap<Ah>(ibv_create_ah(pd->real, attr), ibv_destroy_ah);
  if (!ah) return nullptr;
  ah->context = pd->context;
  ah->pd = pd;
  ah->handle = ah->real->handle;
  return ah;
}

VB_DOOR int vb_ibv_destroy_ah_1_0(Ah* ah) { return unwrap(ah, ibv_destroy_ah); }
