/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef KVERBS_CM_H
#define KVERBS_CM_H
#include "kverbs.h"
#include "user_cm.h"

struct queued_event {
  struct list_head entry;
  struct rdma_cm_event event;
  struct kv_cm_id* request; /* of a CONNECT_REQUEST */
  u8 private_data[256];
};

struct kv_cm_id {
  struct rdma_cm_id ib;
  struct ucm_id* user;
  struct mutex handling; /* held while a handler runs */
  pthread_t handler_thread;
  bool in_handler, destroy_after, dying;
  struct list_head events;
  struct work_struct work;
};
static inline struct kv_cm_id* to_cm(struct rdma_cm_id* id) { return container_of(id, struct kv_cm_id, ib); }

void kv_start_cm(void);
struct kv_cm_id* kv_new_cm_id(rdma_cm_event_handler handler, void* context, int ps, int qp_type);
void kv_learn_names(struct kv_cm_id* id); /* device, port and addresses */
void kv_end_cm_id(struct kv_cm_id* id);   /* waits for its handlers, frees */
void kv_drop_event(struct queued_event* event);

#endif
