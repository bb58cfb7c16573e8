/* SPDX-License-Identifier: BSD-2-Clause */
/* The RDMA connection manager. Handlers of one identifier never run at the same time; they may sleep. A handler that
 * gives something else than 0 destroys its identifier, and must not destroy it by itself. */
#ifndef KVERBS_RDMA_RDMA_CM_H
#define KVERBS_RDMA_RDMA_CM_H
#include <rdma/ib_addr.h>
#include <rdma/ib_sa.h>

struct rdma_cm_id;
enum rdma_cm_event_type {
  RDMA_CM_EVENT_ADDR_RESOLVED,
  RDMA_CM_EVENT_ADDR_ERROR,
  RDMA_CM_EVENT_ROUTE_RESOLVED,
  RDMA_CM_EVENT_ROUTE_ERROR,
  RDMA_CM_EVENT_CONNECT_REQUEST,
  RDMA_CM_EVENT_CONNECT_RESPONSE,
  RDMA_CM_EVENT_CONNECT_ERROR,
  RDMA_CM_EVENT_UNREACHABLE,
  RDMA_CM_EVENT_REJECTED,
  RDMA_CM_EVENT_ESTABLISHED,
  RDMA_CM_EVENT_DISCONNECTED,
  RDMA_CM_EVENT_DEVICE_REMOVAL,
  RDMA_CM_EVENT_MULTICAST_JOIN,
  RDMA_CM_EVENT_MULTICAST_ERROR,
  RDMA_CM_EVENT_ADDR_CHANGE,
  RDMA_CM_EVENT_TIMEWAIT_EXIT
};
const char* rdma_event_msg(enum rdma_cm_event_type event) KV_SYMBOL(rdma_event_msg);
const char* rdma_reject_msg(struct rdma_cm_id* id, int reason) KV_SYMBOL(rdma_reject_msg);

enum rdma_port_space {
  RDMA_PS_SDP = 0x0001,
  RDMA_PS_IPOIB = 0x0002,
  RDMA_PS_IB = 0x013F,
  RDMA_PS_TCP = 0x0106,
  RDMA_PS_UDP = 0x0111
};
#define rdma_ucm_port_space rdma_port_space
#define RDMA_IB_IP_PS_MASK 0xFFFFFFFFFFFF0000ULL

struct rdma_addr {
  struct sockaddr_storage src_addr, dst_addr;
  struct rdma_dev_addr dev_addr;
};
struct rdma_route {
  struct rdma_addr addr;
  struct sa_path_rec* path_rec; /* NULL: there is no subnet administrator */
  union {
    int num_paths;
    int num_pri_alt_paths; /* since 6.3 */
  };
#if KV_SINCE(6, 3, 0)
  struct sa_path_rec *path_rec_inbound, *path_rec_outbound;
#else
  void* kv_path_rec[2];
#endif
};

struct rdma_conn_param {
  const void* private_data;
  u8 private_data_len;
  u8 responder_resources, initiator_depth, flow_control;
  u8 retry_count, rnr_retry_count, srq;
  u32 qp_num;
  u32 qkey;
};
struct rdma_ud_param {
  const void* private_data;
  u8 private_data_len;
  struct rdma_ah_attr ah_attr;
  u32 qp_num, qkey;
};
struct rdma_cm_event {
  enum rdma_cm_event_type event;
  int status;
  union {
    union {
      struct rdma_conn_param conn;
      struct rdma_ud_param ud;
    } param;
    struct { /* the first releases had these two in the event itself */
      const void* private_data;
      u8 private_data_len;
    };
  };
};
struct rdma_cm_id;
typedef int (*rdma_cm_event_handler)(struct rdma_cm_id* id, struct rdma_cm_event* event);
struct rdma_cm_id {
  struct ib_device* device;
  void* context;
  struct ib_qp* qp;
  rdma_cm_event_handler event_handler;
  struct rdma_route route;
  enum rdma_port_space ps;
  enum ib_qp_type qp_type;
  u32 port_num;
};

struct rdma_cm_id* rdma_create_id(struct net* net, rdma_cm_event_handler event_handler, void* context,
                                  enum rdma_ucm_port_space ps, enum ib_qp_type qp_type);
struct rdma_cm_id* kv_rdma_create_id(rdma_cm_event_handler handler, void* context, int ps, int qp_type);
#define rdma_create_id(...) KV_ARITY(kv_rdma_create_id, __VA_ARGS__)
#define kv_rdma_create_id3(handler, context, ps) \
  kv_rdma_create_id(handler, context, ps, (ps) == RDMA_PS_TCP ? IB_QPT_RC : IB_QPT_UD)
#define kv_rdma_create_id4 kv_rdma_create_id
#define kv_rdma_create_id5(net, handler, context, ps, qp_type) \
  ((void)(net), kv_rdma_create_id(handler, context, ps, qp_type))

void rdma_destroy_id(struct rdma_cm_id* id) KV_SYMBOL(rdma_destroy_id);
int rdma_bind_addr(struct rdma_cm_id* id, struct sockaddr* address) KV_SYMBOL(rdma_bind_addr);
int kv_rdma_resolve_addr(struct rdma_cm_id* id, const struct sockaddr* from, const struct sockaddr* to,
                         unsigned long ms);
#define rdma_resolve_addr(id, from, to, ms) kv_rdma_resolve_addr(id, from, to, (unsigned long)(ms))
int rdma_resolve_route(struct rdma_cm_id* id, unsigned long ms) KV_SYMBOL(rdma_resolve_route);
int rdma_create_qp(struct rdma_cm_id* id, struct ib_pd* pd, struct ib_qp_init_attr* init) KV_SYMBOL(rdma_create_qp);
void rdma_destroy_qp(struct rdma_cm_id* id) KV_SYMBOL(rdma_destroy_qp);
int rdma_init_qp_attr(struct rdma_cm_id* id, struct ib_qp_attr* attr, int* mask) KV_SYMBOL(rdma_init_qp_attr);
int rdma_connect(struct rdma_cm_id* id, struct rdma_conn_param* param) KV_SYMBOL(rdma_connect);
#if KV_SINCE(5, 10, 0)
#define rdma_connect_locked(id, param) rdma_connect(id, param)
#endif
#if KV_SINCE(5, 8, 0)
struct rdma_ucm_ece {
  __u32 vendor_id, attr_mod;
};
#define rdma_connect_ece(id, param, ece) ((void)(ece), rdma_connect(id, param))
#define rdma_accept_ece(id, param, ece) ((void)(ece), rdma_accept(id, param))
void rdma_lock_handler(struct rdma_cm_id* id) KV_SYMBOL(rdma_lock_handler);
void rdma_unlock_handler(struct rdma_cm_id* id) KV_SYMBOL(rdma_unlock_handler);
#endif
int rdma_listen(struct rdma_cm_id* id, int backlog) KV_SYMBOL(rdma_listen);
int rdma_accept(struct rdma_cm_id* id, struct rdma_conn_param* param) KV_SYMBOL(rdma_accept);
int rdma_notify(struct rdma_cm_id* id, enum ib_event_type event) KV_SYMBOL(rdma_notify);
/* The form with a reason is that since 5.8. The reason is that of a consumer; no other can be sent from user space. */
int kv_rdma_reject(struct rdma_cm_id* id, const void* data, u8 length);
#define rdma_reject(...) KV_ARITY(kv_rdma_reject, __VA_ARGS__)
#define kv_rdma_reject3 kv_rdma_reject
#define kv_rdma_reject4(id, data, length, reason) ((void)(reason), kv_rdma_reject(id, data, length))
int rdma_disconnect(struct rdma_cm_id* id) KV_SYMBOL(rdma_disconnect);
int kv_rdma_join_multicast(struct rdma_cm_id* id, struct sockaddr* address, void* context);
#define rdma_join_multicast(...) KV_ARITY(kv_rdma_join_multicast, __VA_ARGS__)
#define kv_rdma_join_multicast3 kv_rdma_join_multicast
#define kv_rdma_join_multicast4(id, address, state, context) \
  ((void)(state), kv_rdma_join_multicast(id, address, context))
void rdma_leave_multicast(struct rdma_cm_id* id, struct sockaddr* address) KV_SYMBOL(rdma_leave_multicast);

int kv_rdma_set(struct rdma_cm_id* id, int option, unsigned int value);
enum { KV_SET_TOS, KV_SET_REUSEADDR, KV_SET_AFONLY, KV_SET_ACK_TIMEOUT, KV_SET_MIN_RNR_TIMER };
#if KV_SINCE(2, 6, 24)
void rdma_set_service_type(struct rdma_cm_id* id, int tos) KV_SYMBOL(rdma_set_service_type);
#endif
#if KV_SINCE(3, 10, 0)
static inline int rdma_set_reuseaddr(struct rdma_cm_id* id, int on) { return kv_rdma_set(id, KV_SET_REUSEADDR, !!on); }
static inline int rdma_set_afonly(struct rdma_cm_id* id, int on) { return kv_rdma_set(id, KV_SET_AFONLY, !!on); }
#endif
#if KV_SINCE(5, 1, 0)
static inline int rdma_set_ack_timeout(struct rdma_cm_id* id, u8 timeout) {
  return kv_rdma_set(id, KV_SET_ACK_TIMEOUT, timeout);
}
#endif
#if KV_SINCE(5, 15, 0)
static inline int rdma_set_min_rnr_timer(struct rdma_cm_id* id, u8 timer) {
  return kv_rdma_set(id, KV_SET_MIN_RNR_TIMER, timer);
}
#endif
#define rdma_consumer_reject_data(id, event, length) \
  ((void)(id), *(length) = (event)->param.conn.private_data_len, (event)->param.conn.private_data)
#define rdma_is_consumer_reject(id, reason) ((void)(id), (reason) == 28)

/* Some consumers search this text to learn what there is. What they look for, in the form in which they look for it:
struct rdma_cm_id *rdma_create_id(struct net *net,
                                  rdma_cm_event_handler event_handler, void *context,
                                  enum rdma_ucm_port_space ps, enum ib_qp_type qp_type);
void rdma_set_service_type(struct rdma_cm_id *id, int tos);
int rdma_reject(struct rdma_cm_id *id, const void *private_data, u8 private_data_len,
                u8 reason);
 */

#endif
