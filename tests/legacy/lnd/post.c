/* SPDX-License-Identifier: BSD-2-Clause */
/* Work requests. A wr_id is the receive, or the message, or 0 for what nobody waits for. */
#include "lnd.h"

int lnd_post_receive(struct lnd_conn* conn, struct lnd_rx* rx) {
  struct ib_sge sge;
  struct ib_recv_wr wr;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(4, 19, 0)
  const struct ib_recv_wr* bad;
#else
  struct ib_recv_wr* bad;
#endif
  int error;
  sge.addr = (unsigned long)rx->msg;
  sge.length = sizeof *rx->msg;
  sge.lkey = conn->lkey;
  memset(&wr, 0, sizeof wr);
  wr.wr_id = (unsigned long)rx;
  wr.sg_list = &sge;
  wr.num_sge = 1;
  error = ib_post_recv(conn->id->qp, &wr, &bad);
  if (!error) conn->receives++;
  return error;
}

#ifdef LND_SLIM
typedef struct ib_rdma_wr lnd_wr;
#define BASE(w) ((w)->wr)
#define REMOTE_ADDR(w) ((w)->remote_addr)
#define RKEY(w) ((w)->rkey)
#else
typedef struct ib_send_wr lnd_wr;
#define BASE(w) (*(w))
#define REMOTE_ADDR(w) ((w)->wr.rdma.remote_addr)
#define RKEY(w) ((w)->wr.rdma.rkey)
#endif

static int post(struct lnd_conn* conn, lnd_wr* wr) {
#if LINUX_VERSION_CODE >= KERNEL_VERSION(4, 19, 0)
  const struct ib_send_wr* bad;
#else
  struct ib_send_wr* bad;
#endif
  return ib_post_send(conn->id->qp, &BASE(wr), &bad);
}

int lnd_post_message(struct lnd_conn* conn, struct lnd_tx* tx) {
  struct ib_sge sge;
  lnd_wr wr;
  int error;
  sge.addr = (unsigned long)tx->msg;
  sge.length = sizeof *tx->msg;
  sge.lkey = conn->lkey;
  memset(&wr, 0, sizeof wr);
  BASE(&wr).wr_id = (unsigned long)tx;
  BASE(&wr).opcode = IB_WR_SEND;
  BASE(&wr).send_flags = IB_SEND_SIGNALED;
  BASE(&wr).sg_list = &sge;
  BASE(&wr).num_sge = 1;
  error = post(conn, &wr);
  if (!error) conn->sends++;
  return error;
}

/* From page to page here, from fragment to fragment there. */
int lnd_post_writes(struct lnd_conn* conn, struct lnd_tx* tx) {
  unsigned int from = 0, to = 0, from_at = 0, to_at = 0, left = tx->bulk->length;
  while (left) {
    struct scatterlist* sg = &tx->bulk->sg[from];
    struct lnd_frag* frag = &tx->sink[to];
    struct ib_sge sge;
    lnd_wr wr;
    int error;
    if (from == tx->bulk->pages || to == tx->sinks) return -EINVAL;
    sge.addr = sg_dma_address(sg) + from_at;
    sge.length = min(min(sg_dma_len(sg) - from_at, frag->length - to_at), left);
    sge.lkey = conn->lkey;
    memset(&wr, 0, sizeof wr);
    BASE(&wr).opcode = IB_WR_RDMA_WRITE;
    BASE(&wr).sg_list = &sge;
    BASE(&wr).num_sge = 1;
    REMOTE_ADDR(&wr) = frag->addr + to_at;
    RKEY(&wr) = frag->key;
    error = post(conn, &wr);
    if (error) return error;
    left -= sge.length;
    from_at += sge.length;
    to_at += sge.length;
    if (from_at == sg_dma_len(sg)) from++, from_at = 0;
    if (to_at == frag->length) to++, to_at = 0;
  }
  return 0;
}
