// SPDX-License-Identifier: BSD-2-Clause
// No slot of the tables is empty: a program that calls an unsupported verb gets an error, never a jump to 0.
#include <errno.h>
#include <infiniband/verbs.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static int empty_pointers(const void* from, const void* to) {
  int empty = 0;
  for (const char* at = from; at < (const char*)to; at += sizeof(void*)) {
    void* pointer;
    memcpy(&pointer, at, sizeof pointer);
    empty += pointer == NULL;
  }
  return empty;
}

static void report(const char* what, const void* object) { printf("%s %p %d\n", what, object, errno); }

#define OLDER(slot, type) ((type)(void*)context->ops._compat_##slot)

/// The slots that programs and wrappers of release 19 and before may call.
static int use_older(struct ibv_context* context) {
  struct ibv_pd* pd = OLDER(alloc_pd, struct ibv_pd * (*)(struct ibv_context*))(context);
  struct ibv_cq* cq = OLDER(create_cq, struct ibv_cq * (*)(struct ibv_context*, int, struct ibv_comp_channel*, int))(
      context, 8, NULL, 0);
  if (!pd || !cq || cq->cqe < 8) return 1;
  if (OLDER(resize_cq, int (*)(struct ibv_cq*, int))(cq, 32) || cq->cqe < 32) return 2;
  struct ibv_qp_init_attr init = {.send_cq = cq, .recv_cq = cq, .qp_type = IBV_QPT_RC};
  init.cap = (struct ibv_qp_cap){.max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1};
  struct ibv_qp* qp = OLDER(create_qp, struct ibv_qp * (*)(struct ibv_pd*, struct ibv_qp_init_attr*))(pd, &init);
  struct ibv_qp_attr attr = {.qp_state = IBV_QPS_INIT, .port_num = 1};
  int mask = IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS;
  if (!qp || OLDER(modify_qp, int (*)(struct ibv_qp*, struct ibv_qp_attr*, int))(qp, &attr, mask)) return 3;
  if (OLDER(destroy_cq, int (*)(struct ibv_cq*))(cq) != EBUSY) return 4;
  if (OLDER(destroy_qp, int (*)(struct ibv_qp*))(qp) || OLDER(destroy_cq, int (*)(struct ibv_cq*))(cq)) return 5;
  return OLDER(dealloc_pd, int (*)(struct ibv_pd*))(pd) ? 6 : 0;
}

int main(void) {
  struct ibv_device** list = ibv_get_device_list(NULL);
  struct ibv_context* context = list && list[0] ? ibv_open_device(list[0]) : NULL;
  if (!context) return 2;
  struct verbs_context* extended = verbs_get_ctx(context);
  if (!extended || extended->sz < sizeof *extended) return 3;
  const void* newest = (const char*)(context + 1) - extended->sz;
  printf("ops %d\n", empty_pointers(&context->ops, &context->ops + 1));
  printf("newer %d\n", empty_pointers(newest, &extended->query_port));
  printf("before priv %d\n", empty_pointers(&extended->query_port, &extended->priv));
  printf("after priv %d\n", empty_pointers(&extended->query_device_ex, &extended->_ABI_placeholder3));
  printf("older %d\n", use_older(context));
  struct ibv_flow_action_esp_attr attr = {0};
  errno = 0;
  report("esp", ibv_create_flow_action_esp(context, &attr));
  printf("close %d\n", ibv_close_device(context));
  ibv_free_device_list(list);
  return 0;
}
