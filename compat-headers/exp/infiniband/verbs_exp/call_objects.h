/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices, queue pairs, completion queues, shared receive queues, targets. */
#ifndef VERBATIM_INFINIBAND_VERBS_EXP_CALL_OBJECTS_H
#define VERBATIM_INFINIBAND_VERBS_EXP_CALL_OBJECTS_H
#pragma GCC system_header

#include <infiniband/verbs_exp/table.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In attr->comp_mask what is wanted, and afterwards what is valid. */
static inline int ibv_exp_query_device(struct ibv_context* context, struct ibv_exp_device_attr* attr) {
  VERBATIM_EXP_INT(context, lib_exp_query_device, context, attr);
}

/* The part of ibv_query_port that fits. */
static inline int verbatim_exp_plain_port(struct ibv_context* context, uint8_t port_num,
                                          struct ibv_exp_port_attr* attr) {
  struct ibv_port_attr whole;
  int error = ibv_query_port(context, port_num, &whole);
  if (error == 0) memcpy(attr, &whole, offsetof(struct ibv_exp_port_attr, comp_mask));
  return error;
}

/* Without a comp_mask it is ibv_query_port. */
static inline int ibv_exp_query_port(struct ibv_context* context, uint8_t port_num, struct ibv_exp_port_attr* attr) {
  struct verbs_context_exp* table = verbs_get_exp_ctx_op(context, lib_exp_query_port);
  if (attr->comp_mask == 0) return verbatim_exp_plain_port(context, port_num, attr);
  if (attr->comp_mask != IBV_EXP_QUERY_PORT_ATTR_MASK1 || (attr->mask1 & ~(uint32_t)IBV_EXP_QUERY_PORT_MASK)) {
    return -(errno = EINVAL);
  }
  if (!table) return verbatim_exp_plain_port(context, port_num, attr);
  return table->lib_exp_query_port(context, port_num, attr);
}

static inline int ibv_exp_query_gid_attr(struct ibv_context* context, uint8_t port_num, unsigned int index,
                                         struct ibv_exp_gid_attr* attr) {
  VERBATIM_EXP_INT(context, exp_query_gid_attr, context, port_num, index, attr);
}

/* Which of the values: in q_values, and afterwards in values->comp_mask. */
static inline int ibv_exp_query_values(struct ibv_context* context, int q_values, struct ibv_exp_values* values) {
  VERBATIM_EXP_COUNT(context, drv_exp_query_values, context, q_values, values);
}

/* A completion's time stamp in nanoseconds, by what ibv_exp_query_values told of the clock: nsec at cycles, and
 * mult / 2^shift nanoseconds for each further cycle. */
static inline uint64_t ibv_exp_cqe_ts_to_ns(struct ibv_exp_clock_info* clock, uint64_t ts) {
  uint64_t ahead = (ts - clock->cycles) & clock->mask;
  uint64_t behind = (clock->cycles - ts) & clock->mask;
  if (ahead <= clock->mask / 2) return clock->nsec + ((ahead * clock->mult + clock->frac) >> clock->shift);
  return clock->nsec - ((behind * clock->mult - clock->frac) >> clock->shift);
}

static inline struct ibv_qp* ibv_exp_create_qp(struct ibv_context* context, struct ibv_exp_qp_init_attr* attr) {
  struct verbs_context_exp* table = verbs_get_exp_ctx_op(context, lib_exp_create_qp);
  if (attr->comp_mask == IBV_EXP_QP_INIT_ATTR_PD) { /* the structure begins like the plain one */
    return ibv_create_qp(attr->pd, (struct ibv_qp_init_attr*)(void*)attr);
  }
  if (!table) {
    errno = ENOSYS;
    return NULL;
  }
  return table->lib_exp_create_qp(context, attr);
}

static inline int ibv_exp_modify_qp(struct ibv_qp* qp, struct ibv_exp_qp_attr* attr, uint64_t exp_attr_mask) {
  VERBATIM_EXP_INT(qp->context, lib_exp_modify_qp, qp, attr, exp_attr_mask);
}

static inline struct ibv_cq* ibv_exp_create_cq(struct ibv_context* context, int cqe, void* cq_context,
                                               struct ibv_comp_channel* channel, int comp_vector,
                                               struct ibv_exp_cq_init_attr* attr) {
  struct verbs_context_exp* table = verbs_get_exp_ctx_op(context, exp_create_cq);
  struct ibv_cq* cq;
  if (!table) {
    errno = ENOSYS;
    return NULL;
  }
  pthread_mutex_lock(&context->mutex);
  cq = table->exp_create_cq(context, cqe, channel, comp_vector, attr);
  if (cq) { /* this much is the caller's */
    cq->context = context;
    cq->channel = channel;
    cq->cq_context = cq_context;
    cq->comp_events_completed = cq->async_events_completed = 0;
    if (channel) ++channel->refcnt;
    pthread_mutex_init(&cq->mutex, NULL);
    pthread_cond_init(&cq->cond, NULL);
  }
  pthread_mutex_unlock(&context->mutex);
  return cq;
}

static inline int ibv_exp_modify_cq(struct ibv_cq* cq, struct ibv_exp_cq_attr* cq_attr, int cq_attr_mask) {
  VERBATIM_EXP_INT(cq->context, lib_exp_modify_cq, cq, cq_attr, cq_attr_mask);
}

static inline struct ibv_srq* ibv_exp_create_srq(struct ibv_context* context, struct ibv_exp_create_srq_attr* attr) {
  VERBATIM_EXP_POINTER(context, exp_create_srq, context, attr);
}

static inline struct ibv_exp_dct* ibv_exp_create_dct(struct ibv_context* context, struct ibv_exp_dct_init_attr* attr) {
  struct verbs_context_exp* table = verbs_get_exp_ctx_op(context, create_dct);
  struct ibv_exp_dct* dct;
  if (!table) {
    errno = ENOSYS;
    return NULL;
  }
  pthread_mutex_lock(&context->mutex);
  dct = table->create_dct(context, attr);
  if (dct) dct->context = context;
  pthread_mutex_unlock(&context->mutex);
  return dct;
}

static inline int ibv_exp_destroy_dct(struct ibv_exp_dct* dct) {
  VERBATIM_EXP_LOCKED_INT(dct->context, destroy_dct, dct);
}

static inline int ibv_exp_query_dct(struct ibv_exp_dct* dct, struct ibv_exp_dct_attr* attr) {
  VERBATIM_EXP_LOCKED_INT(dct->context, query_dct, dct, attr);
}

/* Asks for another event of a key that was wrong. */
static inline int ibv_exp_arm_dct(struct ibv_exp_dct* dct, struct ibv_exp_arm_attr* attr) {
  VERBATIM_EXP_LOCKED_INT(dct->context, lib_exp_arm_dct, dct, attr);
}

#ifdef __cplusplus
}
#endif

#endif
