/* SPDX-License-Identifier: BSD-2-Clause */
/* librdmacm under names of our own: it shares most of its names with the kernel's connection manager. Calls give 0 or a
 * negative errno. */
#ifndef KVERBS_USER_CM_H
#define KVERBS_USER_CM_H
#include <infiniband/verbs.h>
#include <stdbool.h>
#include <sys/socket.h>

struct ucm_id; /* librdmacm's identifier */

struct ucm_param {
  const void* private_data;
  uint8_t private_data_len, responder_resources, initiator_depth, flow_control, retry_count, rnr_retry_count, srq;
  uint32_t qp_num;
};
struct ucm_event {
  int event, status;
  void* context;          /* of the identifier, or of the listener */
  struct ucm_id* request; /* the new identifier of a CONNECT_REQUEST */
  struct ucm_param param;
  bool is_datagram;
  struct ibv_ah_attr ah;
  uint32_t qkey;
  uint8_t private_data[256];
};
struct ucm_names {
  struct ibv_context* context;
  int port;
  struct sockaddr_storage from, to;
};

struct ibv_context** ucm_devices(int* count);
int ucm_create(void* context, int port_space, struct ucm_id** id);
void ucm_destroy(struct ucm_id* id);
void ucm_adopt(struct ucm_id* id, void* context);
void ucm_names(struct ucm_id* id, struct ucm_names* names);
int ucm_bind(struct ucm_id* id, struct sockaddr* address);
int ucm_resolve_addr(struct ucm_id* id, const struct sockaddr* from, const struct sockaddr* to, int ms);
int ucm_resolve_route(struct ucm_id* id, int ms);
struct ibv_qp* ucm_create_qp(struct ucm_id* id, struct ibv_pd* pd, struct ibv_qp_init_attr* init);
void ucm_destroy_qp(struct ucm_id* id);
int ucm_init_qp_attr(struct ucm_id* id, struct ibv_qp_attr* attr, int* mask);
int ucm_connect(struct ucm_id* id, const struct ucm_param* param);
int ucm_accept(struct ucm_id* id, const struct ucm_param* param);
int ucm_establish(struct ucm_id* id);
int ucm_reject(struct ucm_id* id, const void* data, uint8_t length);
int ucm_disconnect(struct ucm_id* id);
int ucm_listen(struct ucm_id* id, int backlog);
int ucm_notify(struct ucm_id* id, int event);
int ucm_join(struct ucm_id* id, struct sockaddr* address, void* context);
int ucm_leave(struct ucm_id* id, struct sockaddr* address);
int ucm_set(struct ucm_id* id, int option, unsigned int value);
/** The next event of any identifier, copied and acknowledged after `take` has seen it. */
int ucm_next(void (*take)(struct ucm_event* event));

#endif
