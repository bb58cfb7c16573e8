/* SPDX-License-Identifier: BSD-2-Clause */
/* Flow steering, work queues, domains, and what few programs call. */
#ifndef VERBATIM_INFINIBAND_VERBS_EXP_CALL_REST_H
#define VERBATIM_INFINIBAND_VERBS_EXP_CALL_REST_H
#pragma GCC system_header

#include <infiniband/verbs_exp/table.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline struct ibv_exp_flow* ibv_exp_create_flow(struct ibv_qp* qp, struct ibv_exp_flow_attr* flow) {
  VERBATIM_EXP_POINTER(qp->context, lib_exp_ibv_create_flow, qp, flow);
}

static inline int ibv_exp_destroy_flow(struct ibv_exp_flow* flow_id) {
  VERBATIM_EXP_COUNT(flow_id->context, lib_exp_ibv_destroy_flow, flow_id);
}

static inline struct ibv_exp_wq* ibv_exp_create_wq(struct ibv_context* context, struct ibv_exp_wq_init_attr* attr) {
  VERBATIM_EXP_POINTER(context, exp_create_wq, context, attr);
}

static inline int ibv_exp_modify_wq(struct ibv_exp_wq* wq, struct ibv_exp_wq_attr* wq_attr) {
  VERBATIM_EXP_INT(wq->context, exp_modify_wq, wq, wq_attr);
}

static inline int ibv_exp_destroy_wq(struct ibv_exp_wq* wq) { VERBATIM_EXP_INT(wq->context, exp_destroy_wq, wq); }

static inline struct ibv_exp_rwq_ind_table* ibv_exp_create_rwq_ind_table(struct ibv_context* context,
                                                                         struct ibv_exp_rwq_ind_table_init_attr* attr) {
  VERBATIM_EXP_POINTER(context, exp_create_rwq_ind_table, context, attr);
}

static inline int ibv_exp_destroy_rwq_ind_table(struct ibv_exp_rwq_ind_table* table) {
  VERBATIM_EXP_INT(table->context, exp_destroy_rwq_ind_table, table);
}

static inline struct ibv_exp_res_domain* ibv_exp_create_res_domain(struct ibv_context* context,
                                                                   struct ibv_exp_res_domain_init_attr* attr) {
  VERBATIM_EXP_POINTER(context, exp_create_res_domain, context, attr);
}

static inline int ibv_exp_destroy_res_domain(struct ibv_context* context, struct ibv_exp_res_domain* res_dom,
                                             struct ibv_exp_destroy_res_domain_attr* attr) {
  VERBATIM_EXP_INT(context, exp_destroy_res_domain, context, res_dom, attr);
}

static inline void* ibv_exp_query_intf(struct ibv_context* context, struct ibv_exp_query_intf_params* params,
                                       enum ibv_exp_query_intf_status* status) {
  VERBATIM_EXP_POINTER(context, exp_query_intf, context, params, status);
}

static inline int ibv_exp_release_intf(struct ibv_context* context, void* intf,
                                       struct ibv_exp_release_intf_params* params) {
  VERBATIM_EXP_INT(context, exp_release_intf, context, intf, params);
}

/* A device's environment of its own: variables that only it sees, from ibv_exp_use_priv_env on. */
static inline int ibv_exp_use_priv_env(struct ibv_context* context) {
  VERBATIM_EXP_MINUS(context, lib_exp_use_priv_env, context);
}

static inline int ibv_exp_setenv(struct ibv_context* context, const char* name, const char* value, int overwrite) {
  VERBATIM_EXP_CALL(context, lib_exp_setenv, setenv(name, value, overwrite), context, name, value, overwrite);
}

static inline int ibv_exp_poll_dc_info(struct ibv_context* context, struct ibv_exp_dc_info_ent* ents, int nent,
                                       int port) {
  VERBATIM_EXP_MINUS(context, drv_exp_poll_dc_info, context, ents, nent, port);
}

static inline struct ibv_context* ibv_exp_open_device(struct ibv_device* device,
                                                      struct ibv_exp_open_device_attr* attr) {
  struct ibv_context* context = attr->comp_mask ? ibv_open_device(device) : (errno = EINVAL, (struct ibv_context*)NULL);
  struct verbs_context_exp* table = context ? verbs_get_exp_ctx_op(context, drv_exp_set_context_attr) : NULL;
  int error;
  if (!context) return NULL;
  error = table ? table->drv_exp_set_context_attr(context, attr) : ENOSYS;
  if (error == 0) return context;
  ibv_close_device(context);
  errno = error;
  return NULL;
}

/* Erasure coding. */
static inline struct ibv_exp_ec_calc* ibv_exp_alloc_ec_calc(struct ibv_pd* pd, struct ibv_exp_ec_calc_init_attr* attr) {
  VERBATIM_EXP_POINTER(pd->context, alloc_ec_calc, pd, attr);
}

static inline void ibv_exp_dealloc_ec_calc(struct ibv_exp_ec_calc* calc) {
  struct verbs_context_exp* table = verbs_get_exp_ctx_op(calc->pd->context, dealloc_ec_calc);
  if (table) table->dealloc_ec_calc(calc);
}

static inline int ibv_exp_ec_encode_async(struct ibv_exp_ec_calc* calc, struct ibv_exp_ec_mem* ec_mem,
                                          struct ibv_exp_ec_comp* ec_comp) {
  VERBATIM_EXP_INT(calc->pd->context, ec_encode_async, calc, ec_mem, ec_comp);
}

static inline int ibv_exp_ec_encode_sync(struct ibv_exp_ec_calc* calc, struct ibv_exp_ec_mem* ec_mem) {
  VERBATIM_EXP_INT(calc->pd->context, ec_encode_sync, calc, ec_mem);
}

static inline int ibv_exp_ec_decode_async(struct ibv_exp_ec_calc* calc, struct ibv_exp_ec_mem* ec_mem,
                                          uint8_t* erasures, uint8_t* decode_matrix, struct ibv_exp_ec_comp* ec_comp) {
  VERBATIM_EXP_INT(calc->pd->context, ec_decode_async, calc, ec_mem, erasures, decode_matrix, ec_comp);
}

static inline int ibv_exp_ec_decode_sync(struct ibv_exp_ec_calc* calc, struct ibv_exp_ec_mem* ec_mem, uint8_t* erasures,
                                         uint8_t* decode_matrix) {
  VERBATIM_EXP_INT(calc->pd->context, ec_decode_sync, calc, ec_mem, erasures, decode_matrix);
}

static inline int ibv_exp_ec_update_async(struct ibv_exp_ec_calc* calc, struct ibv_exp_ec_mem* ec_mem,
                                          uint8_t* data_updates, uint8_t* code_updates,
                                          struct ibv_exp_ec_comp* ec_comp) {
  VERBATIM_EXP_COUNT(calc->pd->context, ec_update_async, calc, ec_mem, data_updates, code_updates, ec_comp);
}

static inline int ibv_exp_ec_update_sync(struct ibv_exp_ec_calc* calc, struct ibv_exp_ec_mem* ec_mem,
                                         uint8_t* data_updates, uint8_t* code_updates) {
  VERBATIM_EXP_COUNT(calc->pd->context, ec_update_sync, calc, ec_mem, data_updates, code_updates);
}

static inline int ibv_exp_ec_poll(struct ibv_exp_ec_calc* calc, int n) {
  VERBATIM_EXP_INT(calc->pd->context, ec_poll, calc, n);
}

static inline int ibv_exp_ec_encode_send(struct ibv_exp_ec_calc* calc, struct ibv_exp_ec_mem* ec_mem,
                                         struct ibv_exp_ec_stripe* data_stripes,
                                         struct ibv_exp_ec_stripe* code_stripes) {
  VERBATIM_EXP_COUNT(calc->pd->context, ec_encode_send, calc, ec_mem, data_stripes, code_stripes);
}

#ifdef __cplusplus
}
#endif

#endif
