// SPDX-License-Identifier: BSD-2-Clause
// Queue pairs.
#include "door.h"

using namespace vb;
using namespace vb::door;

VB_DOOR ibv_qp* ibv_create_qp(ibv_pd* pd, ibv_qp_init_attr* attr) {
  if (!ours(pd)) return native_ibv_create_qp(pd, attr);
  const bool ofed_xrc = attr->qp_type == IBV_QPT_XRC;
  if (ofed_xrc) attr->qp_type = IBV_QPT_XRC_SEND;
  ibv_qp* qp = pointer_entry([&] { return create_qp(Pd::from(pd), *attr); });
  if (ofed_xrc) attr->qp_type = IBV_QPT_XRC;
  return qp;
}

VB_DOOR int ibv_modify_qp(ibv_qp* qp, ibv_qp_attr* attr, int mask) {
  if (!ours(qp)) return native_ibv_modify_qp(qp, attr, mask);
  return errno_entry([&] { return modify_qp(Qp::from(qp), *attr, mask); });
}

VB_DOOR int ibv_query_qp(ibv_qp* qp, ibv_qp_attr* attr, int mask, ibv_qp_init_attr* init) {
  if (!ours(qp)) return native_ibv_query_qp(qp, attr, mask, init);
  return errno_entry([&] { return query_qp(Qp::from(qp), attr, mask, init); });
}

VB_DOOR int ibv_destroy_qp(ibv_qp* qp) {
  if (!ours(qp)) return native_ibv_destroy_qp(qp);
  return errno_entry([&] { return destroy_qp(Qp::from(qp)); });
}

/// NULL for a QP that was made without ibv_wr_* builders.
VB_DOOR ibv_qp_ex* ibv_qp_to_qp_ex(ibv_qp* qp) {
  if (!ours(qp)) return native_ibv_qp_to_qp_ex(qp);
  return Qp::from(qp).send_ops ? &Qp::from(qp).abi : nullptr;
}

/// "Not guaranteed" is always a true answer.
VB_DOOR int ibv_query_qp_data_in_order(ibv_qp* qp, ibv_wr_opcode opcode, uint32_t flags) {
  return ours(qp) ? 0 : native_ibv_query_qp_data_in_order(qp, opcode, flags);
}

VB_DOOR int ibv_set_ece(ibv_qp* qp, ibv_ece* ece) {
  if (!ours(qp)) return native_ibv_set_ece(qp, ece);
  return errno_entry([&] { return set_ece(*ece); });
}

VB_DOOR int ibv_query_ece(ibv_qp* qp, ibv_ece* ece) {
  if (!ours(qp)) return native_ibv_query_ece(qp, ece);
  query_ece(*ece);
  return 0;
}
