// SPDX-License-Identifier: BSD-2-Clause
// Completion counters: for every mask of operations one counter of work requests with that mask, and one of bytes with
// the others, at both ends of a connection. The traffic is the same each time, and so is what must come of it.
#include <errno.h>
#include <infiniband/verbs.h>
#include <infiniband/verbs_newer.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) {                                                         \
      fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #condition, errno); \
      exit(1);                                                                  \
    }                                                                           \
  } while (0)

enum {
  SEND,
  RECV,
  READ,
  REMOTE_READ,
  WRITE,
  REMOTE_WRITE,
  OPERATIONS,
  ALL_MASKS = 63,
  MEMORY = 1 << 20,
  LARGE = 300000
};

struct end {
  struct ibv_cq* cq;
  struct ibv_qp* qp;
  struct ibv_comp_cntr *works, *bytes;
};

/// What one end's operations add up to.
struct sums {
  uint64_t works[OPERATIONS], bytes[OPERATIONS], errors[OPERATIONS];
};

static const struct sums first_sums = {{2, 1, 2, 0, 4, 0}, {200, 70, 100 + LARGE, 0, 650, 0}, {1, 2, 0, 0, 1, 0}};
static const struct sums second_sums = {{1, 3, 0, 2, 0, 4}, {70, 250, 0, 100 + LARGE, 0, 650}, {0, 2, 0, 0, 0, 1}};

static struct ibv_context* context;
static struct ibv_pd* pd;
static struct ibv_mr* mr;
static union ibv_gid gid;
static _Alignas(8) unsigned char memory[MEMORY];

static void open_all(void) {
  struct ibv_device** list = ibv_get_device_list(NULL);
  CHECK(list && list[0] && (context = ibv_open_device(list[0])) && (pd = ibv_alloc_pd(context)));
  ibv_free_device_list(list);
  int access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC;
  CHECK((mr = ibv_reg_mr(pd, memory, MEMORY, access)) && ibv_query_gid(context, 1, 1, &gid) == 0);
}

static struct ibv_comp_cntr* attach(struct ibv_qp* qp, enum ibv_comp_cntr_type type, uint32_t mask) {
  if (!mask) return NULL;
  struct ibv_comp_cntr_init_attr init = {.type = type};
  struct ibv_comp_cntr* counter = ibv_create_comp_cntr(context, &init);
  struct ibv_qp_attach_comp_cntr_attr attr = {.op_mask = mask};
  CHECK(counter && ibv_qp_attach_comp_cntr(qp, counter, &attr) == 0);
  return counter;
}

static struct end make_end(uint32_t mask) {
  struct end end = {.cq = ibv_create_cq(context, 64, NULL, NULL, 0)};
  struct ibv_qp_init_attr init = {.send_cq = end.cq, .recv_cq = end.cq, .qp_type = IBV_QPT_RC, .sq_sig_all = 1};
  init.cap = (struct ibv_qp_cap){.max_send_wr = 16, .max_recv_wr = 16, .max_send_sge = 1, .max_recv_sge = 1};
  CHECK(end.cq && (end.qp = ibv_create_qp(pd, &init)));
  end.works = attach(end.qp, IBV_COMP_CNTR_TYPE_WRS, mask);
  end.bytes = attach(end.qp, IBV_COMP_CNTR_TYPE_BYTES, ALL_MASKS & ~mask);
  return end;
}

static void connect_to(struct ibv_qp* qp, uint32_t qpn) {
  struct ibv_qp_attr attr = {.qp_state = IBV_QPS_INIT, .port_num = 1, .path_mtu = IBV_MTU_1024, .dest_qp_num = qpn};
  attr.qp_access_flags = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC;
  CHECK(ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS) == 0);
  attr.qp_state = IBV_QPS_RTR;
  attr.max_dest_rd_atomic = attr.max_rd_atomic = 4;
  attr.ah_attr = (struct ibv_ah_attr){.grh = {.dgid = gid, .sgid_index = 1}, .is_global = 1, .port_num = 1};
  CHECK(ibv_modify_qp(qp, &attr,
                      IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                          IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER) == 0);
  attr.qp_state = IBV_QPS_RTS;
  attr.timeout = 14;
  attr.retry_cnt = attr.rnr_retry = 6;
  CHECK(ibv_modify_qp(qp, &attr,
                      IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
                          IBV_QP_MAX_QP_RD_ATOMIC) == 0);
}

static void receive(struct end* end, int count) {
  struct ibv_sge sge = {(uintptr_t)memory, 1024, mr->lkey};
  struct ibv_recv_wr wr = {.sg_list = &sge, .num_sge = 1}, *bad;
  while (count-- > 0) CHECK(ibv_post_recv(end->qp, &wr, &bad) == 0);
}

static void post(struct end* end, enum ibv_wr_opcode opcode, uint32_t length, uint32_t rkey) {
  struct ibv_sge sge = {(uintptr_t)memory + 1024, length, mr->lkey};
  struct ibv_send_wr wr = {.sg_list = &sge, .num_sge = 1, .opcode = opcode}, *bad;
  wr.wr.rdma.remote_addr = (uintptr_t)memory + MEMORY / 2;
  wr.wr.rdma.rkey = rkey;
  if (opcode == IBV_WR_ATOMIC_FETCH_AND_ADD) {
    wr.wr.atomic.remote_addr = (uintptr_t)memory + MEMORY / 2;
    wr.wr.atomic.rkey = rkey;
    wr.wr.atomic.compare_add = 1;
  }
  CHECK(ibv_post_send(end->qp, &wr, &bad) == 0);
}

/// Takes that many completions, of which so many have failed.
static void take(struct end* end, int count, int failed) {
  time_t limit = time(NULL) + 20;
  for (int taken = 0; taken < count;) {
    struct ibv_wc wc;
    int got = ibv_poll_cq(end->cq, 1, &wc);
    CHECK(got >= 0 && time(NULL) < limit);
    taken += got;
    if (got) failed -= wc.status != IBV_WC_SUCCESS;
  }
  CHECK(failed == 0);
}

static uint64_t sum(const uint64_t* of, uint32_t mask) {
  uint64_t total = 0;
  for (uint32_t i = 0; i < OPERATIONS; ++i) total += (mask >> i & 1) ? of[i] : 0;
  return total;
}

static void compare(struct ibv_comp_cntr* counter, const uint64_t* values, const uint64_t* errors, uint32_t mask) {
  uint64_t value = 0, error = 0;
  if (!counter) return;
  CHECK(ibv_read_comp_cntr(counter, &value) == 0 && ibv_read_err_comp_cntr(counter, &error) == 0);
  if (value == sum(values, mask) && error == (errors ? sum(errors, mask) : 0)) return;
  fprintf(stderr, "mask %x: counted %lu and %lu errors\n", mask, (unsigned long)value, (unsigned long)error);
  exit(1);
}

static void compare_end(struct end* end, const struct sums* sums, uint32_t mask, int with_errors) {
  const uint64_t* errors = with_errors ? sums->errors : NULL;
  compare(end->works, sums->works, errors, mask);
  compare(end->bytes, sums->bytes, errors, ALL_MASKS & ~mask);
}

static void carry(struct end* first, struct end* second) {
  for (int i = 0; i < 2; ++i) post(first, IBV_WR_SEND, 100, 0);
  for (int i = 0; i < 3; ++i) post(first, IBV_WR_RDMA_WRITE, 200, mr->rkey);
  post(first, IBV_WR_RDMA_WRITE_WITH_IMM, 50, mr->rkey);
  post(first, IBV_WR_RDMA_READ, 100, mr->rkey);
  post(first, IBV_WR_RDMA_READ, LARGE, mr->rkey);
  post(first, IBV_WR_ATOMIC_FETCH_AND_ADD, 8, mr->rkey);  // counts nowhere
  post(second, IBV_WR_SEND, 70, 0);
  take(first, 9 + 1, 0);
  take(second, 1 + 3, 0);
}

/// A WRITE that is refused, a SEND behind it, and the receives that were left.
static void fail(struct end* first, struct end* second) {
  post(first, IBV_WR_RDMA_WRITE, 100, mr->rkey + 0x1111);
  post(first, IBV_WR_SEND, 100, 0);
  take(first, 2 + 2, 4);
  take(second, 2, 2);
}

static void destroy(struct end* end) {
  CHECK(ibv_destroy_qp(end->qp) == 0 && ibv_destroy_cq(end->cq) == 0);
  CHECK((!end->works || ibv_destroy_comp_cntr(end->works) == 0) &&
        (!end->bytes || ibv_destroy_comp_cntr(end->bytes) == 0));
}

static void count_with(uint32_t mask) {
  struct end first = make_end(mask), second = make_end(mask);
  connect_to(first.qp, second.qp->qp_num);
  connect_to(second.qp, first.qp->qp_num);
  receive(&first, 1 + 2);
  receive(&second, 3 + 2);
  carry(&first, &second);
  compare_end(&first, &first_sums, mask, 0);
  compare_end(&second, &second_sums, mask, 0);
  fail(&first, &second);
  compare_end(&first, &first_sums, mask, 1);
  compare_end(&second, &second_sums, mask, 1);
  destroy(&first);
  destroy(&second);
}

int main(void) {
  open_all();
  for (uint32_t mask = 1; mask <= ALL_MASKS; ++mask) count_with(mask);
  CHECK(ibv_dereg_mr(mr) == 0 && ibv_dealloc_pd(pd) == 0 && ibv_close_device(context) == 0);
  printf("%d masks\n", ALL_MASKS);
  return 0;
}
