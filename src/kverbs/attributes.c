/* SPDX-License-Identifier: BSD-2-Clause */
/* Attributes of queue pairs and addresses, there and back; address handles. Where a number is taken over as it is, this
 * asserts that it may be. */
#include "kverbs.h"

#define SAME(a, b) _Static_assert((int)(a) == (int)(b), #a)
SAME(IB_ACCESS_REMOTE_ATOMIC, IBV_ACCESS_REMOTE_ATOMIC);
SAME(IB_ACCESS_LOCAL_WRITE, IBV_ACCESS_LOCAL_WRITE);
SAME(IB_ACCESS_REMOTE_WRITE, IBV_ACCESS_REMOTE_WRITE);
SAME(IB_ACCESS_REMOTE_READ, IBV_ACCESS_REMOTE_READ);
SAME(IB_ACCESS_MW_BIND, IBV_ACCESS_MW_BIND);
SAME(IB_ACCESS_ON_DEMAND, IBV_ACCESS_ON_DEMAND);
SAME(IB_QP_DEST_QPN, IBV_QP_DEST_QPN);
SAME(IB_QP_AV, IBV_QP_AV);
SAME(IB_QP_TIMEOUT, IBV_QP_TIMEOUT);
SAME(IB_QP_SQ_PSN, IBV_QP_SQ_PSN);
SAME(IB_QP_CAP, IBV_QP_CAP);
SAME(IB_QPS_ERR, IBV_QPS_ERR);
SAME(IB_QPS_RTS, IBV_QPS_RTS);
SAME(IB_QPT_RC, IBV_QPT_RC);
SAME(IB_QPT_UD, IBV_QPT_UD);
SAME(IB_QPT_RAW_PACKET, IBV_QPT_RAW_PACKET);
SAME(IB_MTU_4096, IBV_MTU_4096);
SAME(IB_MIG_ARMED, IBV_MIG_ARMED);
SAME(IB_SEND_FENCE, IBV_SEND_FENCE);
SAME(IB_SEND_SIGNALED, IBV_SEND_SIGNALED);
SAME(IB_SEND_SOLICITED, IBV_SEND_SOLICITED);
SAME(IB_SEND_INLINE, IBV_SEND_INLINE);
SAME(IB_WC_WR_FLUSH_ERR, IBV_WC_WR_FLUSH_ERR);
SAME(IB_WC_MW_BIND_ERR, IBV_WC_MW_BIND_ERR);
SAME(IB_WC_REM_ACCESS_ERR, IBV_WC_REM_ACCESS_ERR);
SAME(IB_WC_RNR_RETRY_EXC_ERR, IBV_WC_RNR_RETRY_EXC_ERR);
SAME(IB_WC_GENERAL_ERR, IBV_WC_GENERAL_ERR);
SAME(IB_EVENT_COMM_EST, IBV_EVENT_COMM_EST);
SAME(IB_EVENT_PORT_ERR, IBV_EVENT_PORT_ERR);
SAME(IB_EVENT_GID_CHANGE, IBV_EVENT_GID_CHANGE);
SAME(IB_EVENT_QP_LAST_WQE_REACHED, IBV_EVENT_QP_LAST_WQE_REACHED);
SAME(IB_PORT_ACTIVE, IBV_PORT_ACTIVE);
SAME(IB_SRQ_LIMIT, IBV_SRQ_LIMIT);
SAME(IB_LINK_LAYER_ETHERNET, IBV_LINK_LAYER_ETHERNET);
/* What a consumer's fat request and a slim one share stands at the same places. */
SAME(offsetof(struct kv_fat_send_wr, ex), offsetof(struct ib_send_wr, ex));
SAME(offsetof(struct kv_fat_send_wr, send_flags), offsetof(struct ib_send_wr, send_flags));

/* What has the same name and the same meaning on both sides, for either direction. */
#define COPY(field) to->field = (__typeof__(to->field))from->field;
/* clang-format off */
#define AH_FIELDS(each) \
  each(grh.flow_label) each(grh.sgid_index) each(grh.hop_limit) each(grh.traffic_class) each(dlid) each(sl) \
  each(src_path_bits) each(static_rate) each(port_num)
#define QP_FIELDS(each) \
  each(qp_state) each(cur_qp_state) each(path_mtu) each(path_mig_state) each(qkey) each(rq_psn) each(sq_psn) \
  each(dest_qp_num) each(qp_access_flags) each(pkey_index) each(alt_pkey_index) each(en_sqd_async_notify) \
  each(sq_draining) each(max_rd_atomic) each(max_dest_rd_atomic) each(min_rnr_timer) each(port_num) each(timeout) \
  each(retry_cnt) each(rnr_retry) each(alt_port_num) each(alt_timeout)
/* clang-format on */

void kv_native_ah(const struct rdma_ah_attr* from, struct ibv_ah_attr* to) {
  memset(to, 0, sizeof *to);
  AH_FIELDS(COPY)
  memcpy(&to->grh.dgid, &from->grh.dgid, sizeof to->grh.dgid);
  to->is_global = (from->ah_flags & IB_AH_GRH) != 0;
}

void kv_from_native_ah(const struct ibv_ah_attr* from, struct rdma_ah_attr* to) {
  memset(to, 0, sizeof *to);
  AH_FIELDS(COPY)
  memcpy(&to->grh.dgid, &from->grh.dgid, sizeof to->grh.dgid);
  to->ah_flags = from->is_global ? IB_AH_GRH : 0;
}

SAME(offsetof(struct ib_qp_cap, max_inline_data), offsetof(struct ibv_qp_cap, max_inline_data));

void kv_native_qp_attr(const struct ib_qp_attr* from, struct ibv_qp_attr* to) {
  memset(to, 0, sizeof *to);
  QP_FIELDS(COPY)
  memcpy(&to->cap, &from->cap, sizeof(struct ibv_qp_cap));
  kv_native_ah(&from->ah_attr, &to->ah_attr);
  kv_native_ah(&from->alt_ah_attr, &to->alt_ah_attr);
}

void kv_from_native_qp_attr(const struct ibv_qp_attr* from, struct ib_qp_attr* to) {
  memset(to, 0, sizeof *to);
  QP_FIELDS(COPY)
  memcpy(&to->cap, &from->cap, sizeof(struct ibv_qp_cap));
  kv_from_native_ah(&from->ah_attr, &to->ah_attr);
  kv_from_native_ah(&from->alt_ah_attr, &to->alt_ah_attr);
}

struct ib_ah* kv_create_ah(struct ib_pd* pd, struct rdma_ah_attr* attr) {
  struct ibv_ah_attr native;
  struct kv_ah* ah = calloc(1, sizeof *ah);
  if (!ah) return ERR_PTR(-ENOMEM);
  kv_native_ah(attr, &native);
  errno = 0;
  ah->native = ibv_create_ah(to_pd(pd)->native, &native);
  if (!ah->native) {
    int error = kv_failed();
    free(ah);
    return ERR_PTR(error);
  }
  ah->ib = (struct ib_ah){pd->device, pd};
  atomic_inc(&pd->usecnt);
  return &ah->ib;
}

int kv_destroy_ah(struct ib_ah* ib) {
  struct kv_ah* ah = to_ah(ib);
  int error = ibv_destroy_ah(ah->native);
  if (error) return -error;
  atomic_dec(&ib->pd->usecnt);
  free(ah);
  return 0;
}

int ib_dma_virt_map_sg(struct ib_device* device, struct scatterlist* sg, int n) {
  (void)device;
  return kv_dma_sg(sg, n);
}
