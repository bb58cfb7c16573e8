/* SPDX-License-Identifier: BSD-2-Clause */
/* The InfiniBand CM: connections by service ID, with queue pairs that the consumer makes and moves by itself. It stands
 * on the RDMA CM (src/kverbs/ib_cm.c says how): both ends must be consumers of this header. Handlers of one identifier
 * never run at the same time; they may sleep. A handler that gives something else than 0 destroys its identifier, and
 * must not destroy it by itself. */
#ifndef KVERBS_RDMA_IB_CM_H
#define KVERBS_RDMA_IB_CM_H
#include <rdma/ib_sa.h>
#include <rdma/ib_verbs.h>

enum ib_cm_rej_reason {
  IB_CM_REJ_NO_QP = 1,
  IB_CM_REJ_NO_EEC = 2,
  IB_CM_REJ_NO_RESOURCES = 3,
  IB_CM_REJ_TIMEOUT = 4,
  IB_CM_REJ_UNSUPPORTED = 5,
  IB_CM_REJ_INVALID_COMM_ID = 6,
  IB_CM_REJ_INVALID_SERVICE_ID = 8,
  IB_CM_REJ_INVALID_TRANSPORT_TYPE = 9,
  IB_CM_REJ_STALE_CONN = 10,
  IB_CM_REJ_INVALID_GID = 12,
  IB_CM_REJ_CONSUMER_DEFINED = 28,
  IB_CM_REJ_INVALID_RNR_RETRY = 29,
  IB_CM_REJ_DUPLICATE_LOCAL_COMM_ID = 30,
  IB_CM_REJ_INVALID_CLASS_VERSION = 31,
  IB_CM_REJ_INVALID_FLOW_LABEL = 32,
  IB_CM_REJ_INVALID_ALT_FLOW_LABEL = 33,
  IB_CM_REJ_VENDOR_OPTION_NOT_SUPPORTED = 35
};

enum ib_cm_state {
  IB_CM_IDLE,
  IB_CM_LISTEN,
  IB_CM_REQ_SENT,
  IB_CM_REQ_RCVD,
  IB_CM_REP_SENT,
  IB_CM_REP_RCVD,
  IB_CM_ESTABLISHED,
  IB_CM_DREQ_SENT,
  IB_CM_DREQ_RCVD,
  IB_CM_TIMEWAIT
};

enum ib_cm_event_type {
  IB_CM_REQ_ERROR,
  IB_CM_REQ_RECEIVED,
  IB_CM_REP_ERROR,
  IB_CM_REP_RECEIVED,
  IB_CM_RTU_RECEIVED,
  IB_CM_USER_ESTABLISHED,
  IB_CM_DREQ_ERROR,
  IB_CM_DREQ_RECEIVED,
  IB_CM_DREP_RECEIVED,
  IB_CM_TIMEWAIT_EXIT,
  IB_CM_MRA_RECEIVED,
  IB_CM_REJ_RECEIVED
};

struct ib_cm_id;
struct ib_cm_req_event_param {
  struct ib_cm_id* listen_id;
  u8 port;
  struct sa_path_rec *primary_path, *alternate_path; /* GIDs of the two ends; NULL */
  u32 remote_qpn;
  enum ib_qp_type qp_type;
  u32 starting_psn;
  u8 responder_resources, initiator_depth;
  unsigned int flow_control : 1, retry_count : 3, rnr_retry_count : 3, srq : 1;
};
struct ib_cm_rep_event_param {
  u32 remote_qpn, starting_psn;
  u8 responder_resources, initiator_depth;
  unsigned int flow_control : 1, rnr_retry_count : 3, srq : 1;
};
struct ib_cm_rej_event_param {
  enum ib_cm_rej_reason reason;
  void* ari;
  u8 ari_length;
};
struct ib_cm_event {
  enum ib_cm_event_type event;
  union {
    struct ib_cm_req_event_param req_rcvd;
    struct ib_cm_rep_event_param rep_rcvd;
    struct ib_cm_rej_event_param rej_rcvd;
    enum ib_wc_status send_status;
  } param;
  void* private_data; /* NULL when there is none; its length is the consumers' to agree on */
};

#if KV_SINCE(4, 20, 0)
typedef int (*ib_cm_handler)(struct ib_cm_id* cm_id, const struct ib_cm_event* event);
#else
typedef int (*ib_cm_handler)(struct ib_cm_id* cm_id, struct ib_cm_event* event);
#endif

struct ib_cm_id {
  ib_cm_handler cm_handler;
  void* context;
  struct ib_device* device;
  __be64 service_id, service_mask;
  enum ib_cm_state state;
};

#define IB_CM_ASSIGN_SERVICE_ID cpu_to_be64(0x0200000000000000ULL)
enum { IB_CM_REQ_PRIVATE_DATA_SIZE = 92, IB_CM_REP_PRIVATE_DATA_SIZE = 196, IB_CM_REJ_PRIVATE_DATA_SIZE = 148 };

struct ib_cm_req_param {
  struct sa_path_rec *primary_path, *alternate_path;
  __be64 service_id;
  u32 qp_num;
  enum ib_qp_type qp_type;
  u32 starting_psn;
  const void* private_data;
  u8 private_data_len, peer_to_peer, responder_resources, initiator_depth, remote_cm_response_timeout, flow_control,
      local_cm_response_timeout, retry_count, rnr_retry_count, max_cm_retries, srq;
};
struct ib_cm_rep_param {
  u32 qp_num, starting_psn;
  const void* private_data;
  u8 private_data_len, responder_resources, initiator_depth, failover_accepted, flow_control, rnr_retry_count, srq;
};

/* All but the first return 0 or a negative errno. -EINVAL: not in this state; -EOPNOTSUPP: what the RDMA CM cannot say,
 * such as private data in RTU, DREQ and DREP, and service masks. */
struct ib_cm_id* ib_create_cm_id(struct ib_device* device, ib_cm_handler handler, void* context)
    KV_SYMBOL(ib_create_cm_id);
void ib_destroy_cm_id(struct ib_cm_id* id) KV_SYMBOL(ib_destroy_cm_id);
int kv_ib_cm_listen(struct ib_cm_id* id, __be64 service_id, __be64 service_mask, const void* compare);
/* The mask is exact, as 0 and all ones are. 4 arguments until 4.3, 3 until 6.1; either number at every level. */
#define ib_cm_listen(...) KV_ARITY(kv_ib_cm_listen, __VA_ARGS__)
#define kv_ib_cm_listen2(id, service) kv_ib_cm_listen(id, service, 0, NULL)
#define kv_ib_cm_listen3(id, service, mask) kv_ib_cm_listen(id, service, mask, NULL)
#define kv_ib_cm_listen4 kv_ib_cm_listen
int ib_send_cm_req(struct ib_cm_id* id, struct ib_cm_req_param* param) KV_SYMBOL(ib_send_cm_req);
int ib_send_cm_rep(struct ib_cm_id* id, struct ib_cm_rep_param* param) KV_SYMBOL(ib_send_cm_rep);
int ib_send_cm_rtu(struct ib_cm_id* id, const void* data, u8 length) KV_SYMBOL(ib_send_cm_rtu);
int ib_send_cm_dreq(struct ib_cm_id* id, const void* data, u8 length) KV_SYMBOL(ib_send_cm_dreq);
int ib_send_cm_drep(struct ib_cm_id* id, const void* data, u8 length) KV_SYMBOL(ib_send_cm_drep);
int ib_send_cm_rej(struct ib_cm_id* id, enum ib_cm_rej_reason reason, void* ari, u8 ari_length, const void* data,
                   u8 length) KV_SYMBOL(ib_send_cm_rej);
/* The attributes for qp_attr->qp_state, with the sequence numbers that the two ends have agreed on. */
int ib_cm_init_qp_attr(struct ib_cm_id* id, struct ib_qp_attr* attr, int* mask) KV_SYMBOL(ib_cm_init_qp_attr);
int ib_cm_notify(struct ib_cm_id* id, enum ib_event_type event) KV_SYMBOL(ib_cm_notify);

#endif
