/* SPDX-License-Identifier: BSD-2-Clause */
/* Kernel-style verbs at the API level of this translation unit (linux/version.h). What exists, and in which form, is
 * that of the level; how many arguments a call takes is not strict where a distribution may carry the later form. */
#ifndef KVERBS_RDMA_IB_VERBS_H
#define KVERBS_RDMA_IB_VERBS_H
#include <kverbs/ib_dma.h>
#include <kverbs/ib_memory.h>
#include <kverbs/module.h>
#include <kverbs/net.h>

/* Devices. */
#define ib_register_client(client) ((client)->kv_add_refuses = KV_SINCE(5, 8, 0), kv_register_client(client))
int kv_register_client(struct ib_client* client);
void ib_unregister_client(struct ib_client* client) KV_SYMBOL(unregister_client);
void* ib_get_client_data(struct ib_device* device, struct ib_client* client) KV_SYMBOL(get_client_data);
void ib_set_client_data(struct ib_device* device, struct ib_client* client, void* data) KV_SYMBOL(set_client_data);
/* Gave void since 4.14; as a statement both are the same. */
int ib_register_event_handler(struct ib_event_handler* handler) KV_SYMBOL(register_event_handler);
int ib_unregister_event_handler(struct ib_event_handler* handler) KV_SYMBOL(unregister_event_handler);
#if KV_UNTIL(4, 5, 0)
int ib_query_device(struct ib_device* device, struct ib_device_attr* attr) KV_SYMBOL(query_device);
#endif
int ib_query_port(struct ib_device* device, u32 port, struct ib_port_attr* attr) KV_SYMBOL(query_port);
int ib_query_pkey(struct ib_device* device, u32 port, u16 index, u16* pkey) KV_SYMBOL(query_pkey);
int kv_query_gid(struct ib_device* device, u32 port, int index, union ib_gid* gid);
#if KV_UNTIL(4, 19, 0)
struct ib_gid_attr {
  enum ib_gid_type gid_type;
  struct net_device* ndev;
};
#define ib_query_gid(...) KV_ARITY(kv_query_gid_, __VA_ARGS__)
#define kv_query_gid_4 kv_query_gid
static inline int kv_query_gid_5(struct ib_device* device, u32 port, int index, union ib_gid* gid,
                                 struct ib_gid_attr* attr) {
  if (attr) memset(attr, 0, sizeof *attr);
  return kv_query_gid(device, port, index, gid);
}
#endif
#if KV_SINCE(4, 19, 0)
#define rdma_query_gid kv_query_gid
#endif
#if KV_SINCE(2, 6, 23) /* who asked before asked the device's node_type */
enum rdma_transport_type rdma_node_get_transport(enum rdma_node_type type) KV_SYMBOL(node_get_transport);
#endif
enum rdma_link_layer rdma_port_get_link_layer(struct ib_device* device, u32 port) KV_SYMBOL(port_get_link_layer);
#if KV_SINCE(4, 2, 0)
#define rdma_start_port(device) ((void)(device), 1)
#define rdma_end_port(device) ((device)->phys_port_cnt)
#define rdma_protocol_roce(device, port) (rdma_port_get_link_layer(device, port) == IB_LINK_LAYER_ETHERNET)
#define rdma_protocol_ib(device, port) (rdma_port_get_link_layer(device, port) == IB_LINK_LAYER_INFINIBAND)
#define rdma_protocol_iwarp(device, port) ((device)->node_type == RDMA_NODE_RNIC)
#endif

/* Protection domains, and regions that cover all memory. */
enum { IB_PD_UNSAFE_GLOBAL_RKEY = 1 };
struct ib_pd* kv_alloc_pd(struct ib_device* device, unsigned int flags);
#define ib_alloc_pd(...) KV_ARITY(kv_alloc_pd, __VA_ARGS__)
#define kv_alloc_pd1(device) kv_alloc_pd(device, 0)
#define kv_alloc_pd2 kv_alloc_pd
int ib_dealloc_pd(struct ib_pd* pd) KV_SYMBOL(dealloc_pd);
struct ib_mr* ib_get_dma_mr(struct ib_pd* pd, int access) KV_SYMBOL(get_dma_mr);
int ib_dereg_mr(struct ib_mr* mr) KV_SYMBOL(dereg_mr);

/* Completion queues. A handler runs in a thread of its completion vector, beside those that post. */
struct ib_cq* kv_create_cq(struct ib_device* device, ib_comp_handler handler,
                           void (*event_handler)(struct ib_event*, void*), void* context, int cqe, int vector);
#if KV_SINCE(4, 2, 0)
struct ib_cq* ib_create_cq(struct ib_device* device, ib_comp_handler comp_handler,
                           void (*event_handler)(struct ib_event*, void*), void* cq_context,
                           const struct ib_cq_init_attr* cq_attr);
static inline struct ib_cq* kv_create_cq_attr(struct ib_device* device, ib_comp_handler handler,
                                              void (*event_handler)(struct ib_event*, void*), void* context,
                                              const struct ib_cq_init_attr* attr) {
  return kv_create_cq(device, handler, event_handler, context, (int)attr->cqe, (int)attr->comp_vector);
}
#define kv_create_cq_5(device, handler, events, context, last) \
  _Generic((last), struct ib_cq_init_attr *: kv_create_cq_attr, const struct ib_cq_init_attr *: kv_create_cq_attr, \
           default: kv_create_cq_plain)(device, handler, events, context, last)
#else
#define kv_create_cq_5 kv_create_cq_plain
#endif
static inline struct ib_cq* kv_create_cq_plain(struct ib_device* device, ib_comp_handler handler,
                                               void (*event_handler)(struct ib_event*, void*), void* context, int cqe) {
  return kv_create_cq(device, handler, event_handler, context, cqe, 0);
}
#define kv_create_cq_6 kv_create_cq
#define ib_create_cq(...) KV_ARITY(kv_create_cq_, __VA_ARGS__)

int kv_destroy_cq(struct ib_cq* cq);
static inline int ib_destroy_cq(struct ib_cq* cq) { return kv_destroy_cq(cq); }
int ib_resize_cq(struct ib_cq* cq, int cqe) KV_SYMBOL(resize_cq);
int ib_poll_cq(struct ib_cq* cq, int n, struct ib_wc* wc) KV_SYMBOL(poll_cq);
int ib_req_notify_cq(struct ib_cq* cq, enum ib_cq_notify_flags flags) KV_SYMBOL(req_notify_cq);
#if KV_SINCE(4, 5, 0)
struct ib_cq* ib_alloc_cq(struct ib_device* device, void* context, int cqe, int vector, enum ib_poll_context where)
    KV_SYMBOL(alloc_cq);
#define ib_alloc_cq_any(device, context, cqe, where) ib_alloc_cq(device, context, cqe, 0, where)
void ib_free_cq(struct ib_cq* cq) KV_SYMBOL(free_cq);
int ib_process_cq_direct(struct ib_cq* cq, int budget) KV_SYMBOL(process_cq_direct);
#endif
#if KV_SINCE(5, 8, 0)
struct ib_cq* ib_cq_pool_get(struct ib_device* device, unsigned int cqe, int vector, enum ib_poll_context where)
    KV_SYMBOL(cq_pool_get);
void ib_cq_pool_put(struct ib_cq* cq, unsigned int cqe) KV_SYMBOL(cq_pool_put);
#endif

/* Queue pairs. */
struct ib_qp* ib_create_qp(struct ib_pd* pd, struct ib_qp_init_attr* init) KV_SYMBOL(create_qp);
int ib_modify_qp(struct ib_qp* qp, struct ib_qp_attr* attr, int mask) KV_SYMBOL(modify_qp);
int ib_query_qp(struct ib_qp* qp, struct ib_qp_attr* attr, int mask, struct ib_qp_init_attr* init) KV_SYMBOL(query_qp);
int ib_destroy_qp(struct ib_qp* qp) KV_SYMBOL(destroy_qp);
#if KV_SINCE(4, 6, 0)
void ib_drain_qp(struct ib_qp* qp) KV_SYMBOL(drain_qp);
void ib_drain_sq(struct ib_qp* qp) KV_SYMBOL(drain_sq);
void ib_drain_rq(struct ib_qp* qp) KV_SYMBOL(drain_rq);
#endif
int ib_attach_mcast(struct ib_qp* qp, union ib_gid* gid, u16 lid) KV_SYMBOL(attach_mcast);
int ib_detach_mcast(struct ib_qp* qp, union ib_gid* gid, u16 lid) KV_SYMBOL(detach_mcast);

int kv_post_send_slim(struct ib_qp* qp, const void* wr, const void** bad_wr);
int kv_post_send_fat(struct ib_qp* qp, const void* wr, const void** bad_wr);
int kv_post_recv(struct ib_qp* qp, const struct ib_recv_wr* wr, const struct ib_recv_wr** bad_wr);
int kv_post_srq_recv(struct ib_srq* srq, const struct ib_recv_wr* wr, const struct ib_recv_wr** bad_wr);
static inline int kv_post_send(struct ib_qp* qp, const struct ib_send_wr* wr, const void** bad_wr) {
#if KV_BEFORE(4, 4, 0)
  return kv_post_send_fat(qp, wr, bad_wr);
#else
  return kv_post_send_slim(qp, wr, bad_wr);
#endif
}
/* The last argument gained a const in 4.19. */
#define ib_post_send(qp, wr, bad_wr) kv_post_send(qp, wr, (const void**)(bad_wr))
#define ib_post_recv(qp, wr, bad_wr) kv_post_recv(qp, wr, (const struct ib_recv_wr**)(bad_wr))
#define ib_post_srq_recv(srq, wr, bad_wr) kv_post_srq_recv(srq, wr, (const struct ib_recv_wr**)(bad_wr))

/* Shared receive queues. */
struct ib_srq* ib_create_srq(struct ib_pd* pd, struct ib_srq_init_attr* init) KV_SYMBOL(create_srq);
int ib_modify_srq(struct ib_srq* srq, struct ib_srq_attr* attr, enum ib_srq_attr_mask mask) KV_SYMBOL(modify_srq);
int ib_query_srq(struct ib_srq* srq, struct ib_srq_attr* attr) KV_SYMBOL(query_srq);
int ib_destroy_srq(struct ib_srq* srq) KV_SYMBOL(destroy_srq);

/* Address handles. */
struct ib_ah* kv_create_ah(struct ib_pd* pd, struct rdma_ah_attr* attr);
int kv_destroy_ah(struct ib_ah* ah);
#if KV_UNTIL(4, 12, 0)
#define ib_create_ah(pd, attr) kv_create_ah(pd, attr)
#define ib_destroy_ah(ah) kv_destroy_ah(ah)
#endif
#if KV_SINCE(4, 12, 0)
#define rdma_create_ah(...) KV_ARITY(kv_create_ah_, __VA_ARGS__)
#define kv_create_ah_2 kv_create_ah
#define kv_create_ah_3(pd, attr, flags) ((void)(flags), kv_create_ah(pd, attr))
#define rdma_destroy_ah(...) KV_ARITY(kv_destroy_ah_, __VA_ARGS__)
#define kv_destroy_ah_1 kv_destroy_ah
#define kv_destroy_ah_2(ah, flags) ((void)(flags), kv_destroy_ah(ah))
#define RDMA_CREATE_AH_SLEEPABLE 1
#define RDMA_DESTROY_AH_SLEEPABLE 1
#define rdma_ah_set_dlid(attr, value) ((attr)->dlid = (u16)(value))
#define rdma_ah_set_port_num(attr, value) ((attr)->port_num = (u8)(value))
#define rdma_ah_set_sl(attr, value) ((attr)->sl = (u8)(value))
static inline void rdma_ah_set_grh(struct rdma_ah_attr* attr, union ib_gid* dgid, u32 flow_label, u8 sgid_index,
                                   u8 hop_limit, u8 traffic_class) {
  attr->ah_flags = IB_AH_GRH;
  if (dgid) attr->grh.dgid = *dgid;
  attr->grh.flow_label = flow_label;
  attr->grh.sgid_index = sgid_index;
  attr->grh.hop_limit = hop_limit;
  attr->grh.traffic_class = traffic_class;
}
#endif

/* Some consumers search this text to learn what there is. What they look for, in the form in which they look for it:
struct ib_cq *ib_create_cq(struct ib_device *device,
                           ib_comp_handler comp_handler,
                           void (*event_handler)(struct ib_event *, void *),
                           void *cq_context,
                           const struct ib_cq_init_attr *cq_attr);
static inline void ib_destroy_cq(struct ib_cq *cq)
struct ib_atomic_wr {
 */

#endif
