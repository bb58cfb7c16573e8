// SPDX-License-Identifier: BSD-2-Clause
// Uses all devices at once, two above all: one of ours and a native one. Their queue pairs work in turns, one poll(2)
// waits for all their completions, and each device's asynchronous event comes from its own descriptor.
#include <errno.h>
#include <infiniband/verbs.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                               \
  do {                                                                 \
    if (!(condition)) {                                                \
      printf("line %d: %s (errno %d)\n", __LINE__, #condition, errno); \
      exit(1);                                                         \
    }                                                                  \
  } while (0)

enum { MOST = 4, ROUNDS = 20, TIMEOUT_MS = 20000 };

struct end {
  struct ibv_context* context;
  struct ibv_pd* pd;
  struct ibv_mr* mr;
  struct ibv_comp_channel* channel;
  struct ibv_cq* cq;
  struct ibv_qp* qp;
  int completed;
  char memory[256];
};

static struct end ends[MOST];
static int count;

static void move(struct end* end, enum ibv_qp_state state, int mask, struct ibv_qp_attr attr) {
  attr.qp_state = state;
  CHECK(ibv_modify_qp(end->qp, &attr, IBV_QP_STATE | mask) == 0);
}

static void connect_to_itself(struct end* end) {
  struct ibv_qp_attr attr = {.port_num = 1, .qp_access_flags = IBV_ACCESS_REMOTE_WRITE, .path_mtu = IBV_MTU_1024};
  attr.dest_qp_num = end->qp->qp_num;
  attr.ah_attr = (struct ibv_ah_attr){.is_global = 1, .port_num = 1, .grh.sgid_index = 1};
  attr.timeout = 14;
  CHECK(ibv_query_gid(end->context, 1, 1, &attr.ah_attr.grh.dgid) == 0);
  move(end, IBV_QPS_INIT, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS, attr);
  move(end, IBV_QPS_RTR,
       IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER,
       attr);
  move(end, IBV_QPS_RTS, IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC,
       attr);
}

static void open_end(struct end* end, struct ibv_device* device) {
  CHECK((end->context = ibv_open_device(device)) && end->context->device == device);
  CHECK((end->pd = ibv_alloc_pd(end->context)));
  CHECK((end->mr =
             ibv_reg_mr(end->pd, end->memory, sizeof end->memory, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE)));
  CHECK((end->channel = ibv_create_comp_channel(end->context)));
  CHECK((end->cq = ibv_create_cq(end->context, 16, end, end->channel, 0)));
  struct ibv_qp_init_attr init = {.send_cq = end->cq, .recv_cq = end->cq, .qp_type = IBV_QPT_RC, .sq_sig_all = 1};
  init.cap = (struct ibv_qp_cap){.max_send_wr = 8, .max_recv_wr = 8, .max_send_sge = 1, .max_recv_sge = 1};
  CHECK((end->qp = ibv_create_qp(end->pd, &init)) && end->qp->context == end->context);
  connect_to_itself(end);
}

static void close_end(struct end* end) {
  CHECK(ibv_destroy_qp(end->qp) == 0 && ibv_destroy_cq(end->cq) == 0);
  CHECK(ibv_destroy_comp_channel(end->channel) == 0 && ibv_dereg_mr(end->mr) == 0);
  CHECK(ibv_dealloc_pd(end->pd) == 0 && ibv_close_device(end->context) == 0);
}

static void post(struct end* end, uint64_t id) {
  CHECK(ibv_req_notify_cq(end->cq, 0) == 0);
  struct ibv_sge sge = {(uintptr_t)end->memory, 64, end->mr->lkey};
  struct ibv_send_wr wr = {.wr_id = id, .sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_RDMA_WRITE}, *bad;
  wr.wr.rdma.remote_addr = (uintptr_t)end->memory + 128;
  wr.wr.rdma.rkey = end->mr->rkey;
  CHECK(ibv_post_send(end->qp, &wr, &bad) == 0);
}

static void take(struct end* end, uint64_t id) {
  struct ibv_cq* cq;
  void* own;
  CHECK(ibv_get_cq_event(end->channel, &cq, &own) == 0 && cq == end->cq && own == end);
  ibv_ack_cq_events(cq, 1);
  struct ibv_wc wc;
  CHECK(ibv_poll_cq(cq, 1, &wc) == 1 && wc.status == IBV_WC_SUCCESS && wc.wr_id == id && wc.qp_num == end->qp->qp_num);
  ++end->completed;
}

/// One work request on each device, and one wait for all.
static void work_together(uint64_t round) {
  for (int i = 0; i < count; ++i) post(&ends[i], round * MOST + (uint64_t)i);
  for (int left = count; left > 0;) {
    struct pollfd fds[MOST];
    for (int i = 0; i < count; ++i) fds[i] = (struct pollfd){.fd = ends[i].channel->fd, .events = POLLIN};
    CHECK(poll(fds, (nfds_t)count, TIMEOUT_MS) > 0);
    for (int i = 0; i < count; ++i) {
      if (!fds[i].revents) continue;
      take(&ends[i], round * MOST + (uint64_t)i);
      --left;
    }
  }
}

static void see_events(void) {
  struct ibv_qp_attr drain = {.en_sqd_async_notify = 1};
  for (int i = 0; i < count; ++i) move(&ends[i], IBV_QPS_SQD, IBV_QP_EN_SQD_ASYNC_NOTIFY, drain);
  for (int i = count - 1; i >= 0; --i) {
    struct ibv_async_event event;
    CHECK(ibv_get_async_event(ends[i].context, &event) == 0);
    CHECK(event.event_type == IBV_EVENT_SQ_DRAINED && event.element.qp == ends[i].qp);
    ibv_ack_async_event(&event);
  }
}

/// An object of one device on another is refused.
static void mix(void) {
  for (int i = 0; i < count; ++i) {
    struct end *mine = &ends[i], *other = &ends[(i + 1) % count];
    struct ibv_qp_init_attr init = {.send_cq = mine->cq, .recv_cq = other->cq, .qp_type = IBV_QPT_RC};
    init.cap = (struct ibv_qp_cap){.max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1};
    errno = 0;
    CHECK(ibv_create_qp(mine->pd, &init) == NULL && errno == EINVAL);
  }
}

int main(void) {
  struct ibv_device** list = ibv_get_device_list(&count);
  CHECK(list && count >= 2 && count <= MOST);
  for (int i = 0; i < count; ++i) open_end(&ends[i], list[i]);
  ibv_free_device_list(list);
  for (uint64_t round = 0; round < ROUNDS; ++round) work_together(round);
  see_events();
  mix();
  for (int i = 0; i < count; ++i) {
    printf("%s completed %d\n", ibv_get_device_name(ends[i].context->device), ends[i].completed);
    close_end(&ends[i]);
  }
  return 0;
}
