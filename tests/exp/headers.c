/* SPDX-License-Identifier: BSD-2-Clause */
/* The headers compile by themselves, as C with all warnings, and have the layouts of MLNX_OFED 4.6 (x86-64). */
#include <infiniband/peer_ops.h>
#include <infiniband/verbs_exp.h>

#define SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type)
#define AT(type, field, offset) _Static_assert(offsetof(struct type, field) == (offset), #type "." #field)
/* From the table's end. */
#define SLOT(name, distance) \
  _Static_assert(sizeof(struct verbs_context_exp) - offsetof(struct verbs_context_exp, name) == (distance), #name)

SIZE(verbs_context_exp, 664);
SLOT(sz, 8);
SLOT(lib_exp_create_qp, 16);
SLOT(lib_exp_query_device, 32);
SLOT(create_dct, 64);
SLOT(lib_exp_query_port, 72);
SLOT(lib_exp_ibv_create_flow, 88);
SLOT(lib_exp_modify_cq, 120);
SLOT(lib_exp_modify_qp, 152);
SLOT(drv_exp_ibv_poll_cq, 200);
SLOT(exp_create_cq, 208);
SLOT(drv_exp_post_send, 248);
SLOT(exp_alloc_dm, 664);

SIZE(ibv_exp_device_attr, 600);
AT(ibv_exp_device_attr, comp_mask, 228);
AT(ibv_exp_device_attr, exp_device_cap_flags, 288);
AT(ibv_exp_device_attr, odp_caps, 344);
AT(ibv_exp_device_attr, masked_atomic, 448);
AT(ibv_exp_device_attr, max_dm_size, 560);
SIZE(ibv_exp_qp_init_attr, 152);
AT(ibv_exp_qp_init_attr, comp_mask, 60);
AT(ibv_exp_qp_init_attr, max_atomic_arg, 104);
AT(ibv_exp_qp_init_attr, peer_direct_attrs, 136);
SIZE(ibv_exp_qp_attr, 168);
AT(ibv_exp_qp_attr, dct_key, 136);
SIZE(ibv_exp_send_wr, 288);
AT(ibv_exp_send_wr, exp_opcode, 28);
AT(ibv_exp_send_wr, wr, 40);
AT(ibv_exp_send_wr, task, 80);
AT(ibv_exp_send_wr, dc, 128);
AT(ibv_exp_send_wr, exp_send_flags, 200);
AT(ibv_exp_send_wr, ext_op, 216);
SIZE(ibv_exp_wc, 104);
AT(ibv_exp_wc, timestamp, 48);
AT(ibv_exp_wc, exp_wc_flags, 80);
SIZE(ibv_exp_cq_init_attr, 24);
SIZE(ibv_exp_cq_attr, 12);
SIZE(ibv_exp_reg_mr_in, 48);
SIZE(ibv_exp_port_attr, 56);
SIZE(ibv_exp_dct, 136);
SIZE(ibv_exp_dct_init_attr, 72);
SIZE(ibv_exp_prefetch_attr, 32);
SIZE(ibv_exp_values, 72);
SIZE(ibv_exp_create_srq_attr, 88);
SIZE(ibv_exp_ops_wr, 72);
SIZE(ibv_exp_dm, 16);
SIZE(ibv_exp_memcpy_dm_attr, 40);
SIZE(ibv_exp_gid_attr, 24);
SIZE(ibv_exp_mw_bind, 72);
SIZE(ibv_exp_flow_attr, 24);
SIZE(ibv_exp_flow_spec, 88);
SIZE(ibv_exp_wq, 64);
SIZE(ibv_exp_wq_init_attr, 88);
SIZE(ibv_exp_task, 40);
SIZE(ibv_exp_peer_direct_attr, 64);
SIZE(peer_op_wr, 56);
SIZE(ibv_exp_peer_commit, 32);
SIZE(ibv_exp_peer_peek, 40);
