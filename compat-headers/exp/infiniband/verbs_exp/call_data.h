/* SPDX-License-Identifier: BSD-2-Clause */
/* The data path: posting and polling. */
#ifndef VERBATIM_INFINIBAND_VERBS_EXP_CALL_DATA_H
#define VERBATIM_INFINIBAND_VERBS_EXP_CALL_DATA_H
#pragma GCC system_header

#include <infiniband/verbs_exp/table.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 0, or an errno and in *bad_wr the first work request that was not posted. */
static inline int ibv_exp_post_send(struct ibv_qp* qp, struct ibv_exp_send_wr* wr, struct ibv_exp_send_wr** bad_wr) {
  VERBATIM_EXP_COUNT(qp->context, drv_exp_post_send, qp, wr, bad_wr);
}

/* How many completions there were, or a negative value. Each has `wc_size` bytes of struct ibv_exp_wc. */
static inline int ibv_exp_poll_cq(struct ibv_cq* cq, int num_entries, struct ibv_exp_wc* wc, uint32_t wc_size) {
  VERBATIM_EXP_COUNT(cq->context, drv_exp_ibv_poll_cq, cq, num_entries, wc, wc_size);
}

/* Changes the list of tags of an SRQ. 0, or an errno and in *bad_op the first operation that was not done. */
static inline int ibv_exp_post_srq_ops(struct ibv_srq* srq, struct ibv_exp_ops_wr* op, struct ibv_exp_ops_wr** bad_op) {
  VERBATIM_EXP_CALL(srq->context, exp_post_srq_ops, (*bad_op = op, ENOSYS), srq, op, bad_op);
}

static inline int ibv_exp_post_task(struct ibv_context* context, struct ibv_exp_task* task,
                                    struct ibv_exp_task** bad_task) {
  VERBATIM_EXP_INT(context, lib_exp_post_task, context, task, bad_task);
}

typedef int (*drv_exp_post_send_func)(struct ibv_qp* qp, struct ibv_exp_send_wr* wr, struct ibv_exp_send_wr** bad_wr);
typedef int (*drv_post_send_func)(struct ibv_qp* qp, struct ibv_send_wr* wr, struct ibv_send_wr** bad_wr);
typedef int (*drv_exp_poll_cq_func)(struct ibv_cq* cq, int num_entries, struct ibv_exp_wc* wc, uint32_t wc_size);
typedef int (*drv_poll_cq_func)(struct ibv_cq* cq, int num_entries, struct ibv_wc* wc);
typedef int (*drv_post_recv_func)(struct ibv_qp* qp, struct ibv_recv_wr* wr, struct ibv_recv_wr** bad_wr);

/* The function behind an inline one; of the type above that its name says. */
static inline void* ibv_exp_get_provider_func(struct ibv_context* context, enum ibv_exp_func_name name) {
  struct verbs_context_exp* table = verbs_get_exp_ctx(context);
  void* found = NULL;
  switch (name) {
    case IBV_EXP_POST_SEND_FUNC: found = table ? (void*)table->drv_exp_post_send : NULL; break;
    case IBV_EXP_POLL_CQ_FUNC: found = table ? (void*)table->drv_exp_ibv_poll_cq : NULL; break;
    case IBV_POST_SEND_FUNC: found = (void*)context->ops.post_send; break;
    case IBV_POLL_CQ_FUNC: found = (void*)context->ops.poll_cq; break;
    case IBV_POST_RECV_FUNC: found = (void*)context->ops.post_recv; break;
  }
  if (!found) errno = ENOSYS;
  return found;
}

#ifdef __cplusplus
}
#endif

#endif
