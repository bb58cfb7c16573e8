/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers and attributes of kernel-style verbs. Where the numbers are those of libibverbs, src/kverbs asserts it. */
#ifndef KVERBS_IB_TYPES_H
#define KVERBS_IB_TYPES_H
#include <kverbs/list.h>
#include <kverbs/sync.h>

union ib_gid {
  u8 raw[16];
  struct {
    __be64 subnet_prefix;
    __be64 interface_id;
  } global;
};

enum rdma_node_type { RDMA_NODE_IB_CA = 1, RDMA_NODE_IB_SWITCH, RDMA_NODE_IB_ROUTER, RDMA_NODE_RNIC };
#define IB_NODE_CA RDMA_NODE_IB_CA
enum rdma_transport_type { RDMA_TRANSPORT_IB, RDMA_TRANSPORT_IWARP };
enum rdma_link_layer { IB_LINK_LAYER_UNSPECIFIED, IB_LINK_LAYER_INFINIBAND, IB_LINK_LAYER_ETHERNET };
enum ib_gid_type { IB_GID_TYPE_IB = 0, IB_GID_TYPE_ROCE = 1, IB_GID_TYPE_ROCE_UDP_ENCAP = 2 };

enum ib_device_cap_flags {
  IB_DEVICE_CURR_QP_STATE_MOD = 1 << 7,
  IB_DEVICE_PORT_ACTIVE_EVENT = 1 << 10,
  IB_DEVICE_RC_RNR_NAK_GEN = 1 << 12,
  IB_DEVICE_SRQ_RESIZE = 1 << 13,
#if KV_SINCE(2, 6, 27)
  IB_DEVICE_LOCAL_DMA_LKEY = 1 << 15,
#endif
  IB_DEVICE_MEM_WINDOW = 1 << 17,
#if KV_SINCE(2, 6, 27)
  IB_DEVICE_MEM_MGT_EXTENSIONS = 1 << 21,
#endif
#if KV_SINCE(3, 9, 0)
  IB_DEVICE_MEM_WINDOW_TYPE_2A = 1 << 23,
  IB_DEVICE_MEM_WINDOW_TYPE_2B = 1 << 24,
#endif
};
#if KV_SINCE(4, 4, 0) && KV_UNTIL(5, 19, 0)
#define IB_DEVICE_SG_GAPS_REG (1ULL << 32)
#endif
#if KV_SINCE(5, 19, 0)
enum ib_kernel_cap_flags {
  IBK_LOCAL_DMA_LKEY = 1 << 0,
  IBK_INTEGRITY_HANDOVER = 1 << 1,
  IBK_SG_GAPS_REG = 1 << 2,
  IBK_ON_DEMAND_PAGING = 1 << 4,
};
#endif

enum ib_atomic_cap { IB_ATOMIC_NONE, IB_ATOMIC_HCA, IB_ATOMIC_GLOB };
enum ib_mtu { IB_MTU_256 = 1, IB_MTU_512, IB_MTU_1024, IB_MTU_2048, IB_MTU_4096 };
static inline int ib_mtu_enum_to_int(enum ib_mtu mtu) {
  return mtu >= IB_MTU_256 && mtu <= IB_MTU_4096 ? 128 << mtu : -1;
}
static inline enum ib_mtu ib_mtu_int_to_enum(int mtu) {
  return mtu >= 4096   ? IB_MTU_4096
         : mtu >= 2048 ? IB_MTU_2048
         : mtu >= 1024 ? IB_MTU_1024
         : mtu >= 512  ? IB_MTU_512
                       : IB_MTU_256;
}
enum ib_port_state { IB_PORT_NOP, IB_PORT_DOWN, IB_PORT_INIT, IB_PORT_ARMED, IB_PORT_ACTIVE, IB_PORT_ACTIVE_DEFER };

struct ib_device_attr {
  u64 fw_ver;
  __be64 sys_image_guid;
  u64 max_mr_size, page_size_cap;
  u32 vendor_id, vendor_part_id, hw_ver;
  int max_qp, max_qp_wr;
#if KV_BEFORE(4, 4, 0) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  int device_cap_flags __aligned(8);
  int kv_upper_cap_flags;
#else
  u64 device_cap_flags;
#endif
#if KV_SINCE(5, 19, 0)
  u64 kernel_cap_flags;
#else
  u64 kv_kernel_cap_flags;
#endif
  union {
    int max_send_sge;
    int max_sge; /* until 4.19 */
  };
  int max_recv_sge, max_sge_rd;
  int max_cq, max_cqe, max_mr, max_pd, max_qp_rd_atom, max_ee_rd_atom, max_res_rd_atom, max_qp_init_rd_atom;
  int max_ee_init_rd_atom;
  enum ib_atomic_cap atomic_cap, masked_atomic_cap;
  int max_ee, max_rdd, max_mw, max_raw_ipv6_qp, max_raw_ethy_qp, max_mcast_grp, max_mcast_qp_attach;
  int max_total_mcast_qp_attach, max_ah, max_fmr, max_map_per_fmr, max_srq, max_srq_wr, max_srq_sge;
  unsigned int max_fast_reg_page_list_len;
  u16 max_pkeys;
  u8 local_ca_ack_delay;
};

struct ib_port_attr {
  u64 subnet_prefix;
  enum ib_port_state state;
  enum ib_mtu max_mtu, active_mtu;
  u32 phys_mtu;
  int gid_tbl_len;
  u32 port_cap_flags, max_msg_sz, bad_pkey_cntr, qkey_viol_cntr;
  u16 pkey_tbl_len;
  u32 sm_lid, lid;
  u8 lmc, max_vl_num, sm_sl, subnet_timeout, init_type_reply, active_width;
  u16 active_speed;
  u8 phys_state;
};

enum ib_event_type {
  IB_EVENT_CQ_ERR,
  IB_EVENT_QP_FATAL,
  IB_EVENT_QP_REQ_ERR,
  IB_EVENT_QP_ACCESS_ERR,
  IB_EVENT_COMM_EST,
  IB_EVENT_SQ_DRAINED,
  IB_EVENT_PATH_MIG,
  IB_EVENT_PATH_MIG_ERR,
  IB_EVENT_DEVICE_FATAL,
  IB_EVENT_PORT_ACTIVE,
  IB_EVENT_PORT_ERR,
  IB_EVENT_LID_CHANGE,
  IB_EVENT_PKEY_CHANGE,
  IB_EVENT_SM_CHANGE,
  IB_EVENT_SRQ_ERR,
  IB_EVENT_SRQ_LIMIT_REACHED,
  IB_EVENT_QP_LAST_WQE_REACHED,
  IB_EVENT_CLIENT_REREGISTER,
  IB_EVENT_GID_CHANGE,
  IB_EVENT_WQ_FATAL
};
struct ib_device;
struct ib_cq;
struct ib_qp;
struct ib_srq;
struct ib_event {
  struct ib_device* device;
  union {
    struct ib_cq* cq;
    struct ib_qp* qp;
    struct ib_srq* srq;
    u32 port_num;
  } element;
  enum ib_event_type event;
};
const char* ib_event_msg(enum ib_event_type event) KV_SYMBOL(ib_event_msg);

enum ib_access_flags {
  IB_ACCESS_LOCAL_WRITE = 1,
  IB_ACCESS_REMOTE_WRITE = 2,
  IB_ACCESS_REMOTE_READ = 4,
  IB_ACCESS_REMOTE_ATOMIC = 8,
  IB_ACCESS_MW_BIND = 16,
  IB_ZERO_BASED = 32,
  IB_ACCESS_ON_DEMAND = 64
};

struct ib_global_route {
  union ib_gid dgid;
  u32 flow_label;
  u8 sgid_index, hop_limit, traffic_class;
};
struct ib_grh {
  __be32 version_tclass_flow;
  __be16 paylen;
  u8 next_hdr, hop_limit;
  union ib_gid sgid, dgid;
};
enum { IB_MULTICAST_QPN = 0xffffff };
enum ib_ah_flags { IB_AH_GRH = 1 };
/* Until 4.12 this was struct ib_ah_attr, with the same fields. */
struct rdma_ah_attr {
  struct ib_global_route grh;
  u16 dlid;
  u8 sl, src_path_bits, static_rate, ah_flags, port_num;
};
#if KV_UNTIL(4, 12, 0)
#define ib_ah_attr rdma_ah_attr
#endif

enum ib_sig_type { IB_SIGNAL_ALL_WR, IB_SIGNAL_REQ_WR };
enum ib_qp_type {
  IB_QPT_SMI,
  IB_QPT_GSI,
  IB_QPT_RC,
  IB_QPT_UC,
  IB_QPT_UD,
  IB_QPT_RAW_IPV6,
  IB_QPT_RAW_ETHERTYPE,
  IB_QPT_RAW_PACKET = 8,
  IB_QPT_XRC_INI = 9,
  IB_QPT_XRC_TGT
};
enum ib_qp_state { IB_QPS_RESET, IB_QPS_INIT, IB_QPS_RTR, IB_QPS_RTS, IB_QPS_SQD, IB_QPS_SQE, IB_QPS_ERR };
enum ib_mig_state { IB_MIG_MIGRATED, IB_MIG_REARM, IB_MIG_ARMED };
enum ib_qp_attr_mask {
  IB_QP_STATE = 1 << 0,
  IB_QP_CUR_STATE = 1 << 1,
  IB_QP_EN_SQD_ASYNC_NOTIFY = 1 << 2,
  IB_QP_ACCESS_FLAGS = 1 << 3,
  IB_QP_PKEY_INDEX = 1 << 4,
  IB_QP_PORT = 1 << 5,
  IB_QP_QKEY = 1 << 6,
  IB_QP_AV = 1 << 7,
  IB_QP_PATH_MTU = 1 << 8,
  IB_QP_TIMEOUT = 1 << 9,
  IB_QP_RETRY_CNT = 1 << 10,
  IB_QP_RNR_RETRY = 1 << 11,
  IB_QP_RQ_PSN = 1 << 12,
  IB_QP_MAX_QP_RD_ATOMIC = 1 << 13,
  IB_QP_ALT_PATH = 1 << 14,
  IB_QP_MIN_RNR_TIMER = 1 << 15,
  IB_QP_SQ_PSN = 1 << 16,
  IB_QP_MAX_DEST_RD_ATOMIC = 1 << 17,
  IB_QP_PATH_MIG_STATE = 1 << 18,
  IB_QP_CAP = 1 << 19,
  IB_QP_DEST_QPN = 1 << 20
};

struct ib_qp_cap {
  u32 max_send_wr, max_recv_wr, max_send_sge, max_recv_sge, max_inline_data, max_rdma_ctxs;
};
struct ib_qp_attr {
  enum ib_qp_state qp_state, cur_qp_state;
  enum ib_mtu path_mtu;
  enum ib_mig_state path_mig_state;
  u32 qkey, rq_psn, sq_psn, dest_qp_num;
  int qp_access_flags;
  struct ib_qp_cap cap;
  struct rdma_ah_attr ah_attr, alt_ah_attr;
  u16 pkey_index, alt_pkey_index;
  u8 en_sqd_async_notify, sq_draining, max_rd_atomic, max_dest_rd_atomic, min_rnr_timer, timeout, retry_cnt, rnr_retry;
  u32 port_num, alt_port_num;
  u8 alt_timeout;
};

#endif
