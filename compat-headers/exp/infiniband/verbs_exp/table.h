/* SPDX-License-Identifier: BSD-2-Clause */
/* How a call finds its function: verbs_get_exp_ctx_op gives the table, or NULL if it has none of that name. */
#ifndef VERBATIM_INFINIBAND_VERBS_EXP_TABLE_H
#define VERBATIM_INFINIBAND_VERBS_EXP_TABLE_H
#pragma GCC system_header

#include <infiniband/verbs_exp/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The table of an open device, or NULL. It ends where the device's verbs_context, which may be longer than the one that
 * this is compiled with, begins. */
static inline struct verbs_context_exp* verbs_get_exp_ctx(struct ibv_context* context) {
  struct verbs_context* known = verbs_get_ctx(context);
  if (!known || !(known->_ABI_placeholder3 & VERBS_CONTEXT_EXP)) return NULL;
  return (struct verbs_context_exp*)((char*)(context + 1) - known->sz) - 1;
}

#define verbs_get_exp_ctx_op(context, name)                                                                      \
  __extension__({                                                                                                \
    struct verbs_context_exp* found_ = verbs_get_exp_ctx(context);                                               \
    (found_ && found_->sz >= sizeof *found_ - offsetof(struct verbs_context_exp, name) && found_->name) ? found_ \
                                                                                                        : NULL;  \
  })

/* The bodies of the calls. */
#define VERBATIM_EXP_CALL(context, name, missing, ...)                    \
  struct verbs_context_exp* table_ = verbs_get_exp_ctx_op(context, name); \
  if (!table_) return missing;                                            \
  return table_->name(__VA_ARGS__)
#define VERBATIM_EXP_INT(context, name, ...) VERBATIM_EXP_CALL(context, name, errno = ENOSYS, __VA_ARGS__)
#define VERBATIM_EXP_COUNT(context, name, ...) VERBATIM_EXP_CALL(context, name, -(errno = ENOSYS), __VA_ARGS__)
#define VERBATIM_EXP_MINUS(context, name, ...) VERBATIM_EXP_CALL(context, name, (errno = ENOSYS, -1), __VA_ARGS__)
#define VERBATIM_EXP_POINTER(context, name, ...)                          \
  struct verbs_context_exp* table_ = verbs_get_exp_ctx_op(context, name); \
  if (!table_) {                                                          \
    errno = ENOSYS;                                                       \
    return NULL;                                                          \
  }                                                                       \
  return table_->name(__VA_ARGS__)

/* The same under the context's mutex, as targets are made and changed. */
#define VERBATIM_EXP_LOCKED_INT(context, name, ...)                        \
  struct ibv_context* context_ = context;                                  \
  struct verbs_context_exp* table_ = verbs_get_exp_ctx_op(context_, name); \
  int error_;                                                              \
  if (!table_) return errno = ENOSYS;                                      \
  pthread_mutex_lock(&context_->mutex);                                    \
  error_ = table_->name(__VA_ARGS__);                                      \
  pthread_mutex_unlock(&context_->mutex);                                  \
  return error_

#ifdef __cplusplus
}
#endif

#endif
