/* SPDX-License-Identifier: BSD-2-Clause */
/* DC between processes: each of four has a target and one initiator, with which it writes to, reads from, adds to and
 * sends to all targets in turn, its own among them. Then one is killed: the others' initiators, which wait for nothing
 * from it, go on; who sends to it gets an error. */
#include <errno.h>
#include <infiniband/verbs_exp.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kProcesses = 4, kRounds = 20, kLarge = 300000, kKey = 0x4711, kSlot = kLarge + 64 };

#define CHECK(condition)                                                                                 \
  do {                                                                                                   \
    if (!(condition)) {                                                                                  \
      fprintf(stderr, "%s:%d (process %d): %s (errno %d)\n", __FILE__, __LINE__, me, #condition, errno); \
      exit(1);                                                                                           \
    }                                                                                                    \
  } while (0)

static int me;

struct address {
  union ibv_gid gid;
  uint32_t number, rkey;
  uint64_t buffer;
};

/* What all processes see: their addresses, and how many have come how far. */
struct board {
  struct address of[kProcesses];
  int reached[8];
};

struct end {
  struct ibv_context* context;
  struct ibv_pd* pd;
  struct ibv_cq *cq, *target_cq;
  struct ibv_srq* srq;
  struct ibv_mr* mr;
  struct ibv_exp_dct* dct;
  struct ibv_qp* dci;
  struct ibv_ah* ah[kProcesses];
  /* [0]: what is sent; [1]: what is read back; then what each process has written here, and a counter. */
  unsigned char* buffer;
};

static unsigned char* slot(struct end* end, int index) { return end->buffer + (size_t)index * kSlot; }

static void arrive(struct board* board, int step) {
  __atomic_add_fetch(&board->reached[step], 1, __ATOMIC_SEQ_CST);
  syscall(SYS_futex, &board->reached[step], FUTEX_WAKE, kProcesses, NULL, NULL, 0);
}

static void meet(struct board* board, int step, int count) {
  const struct timespec patience = {.tv_sec = 30};
  arrive(board, step);
  for (int seen; (seen = __atomic_load_n(&board->reached[step], __ATOMIC_SEQ_CST)) < count;) {
    long woken = syscall(SYS_futex, &board->reached[step], FUTEX_WAIT, seen, &patience, NULL, 0);
    CHECK(woken == 0 || errno != ETIMEDOUT);
  }
}

static struct ibv_exp_wc wait_for(struct ibv_cq* cq) {
  struct ibv_exp_wc wc;
  time_t limit = time(NULL) + 30;
  int found;
  while ((found = ibv_exp_poll_cq(cq, 1, &wc, sizeof wc)) == 0) CHECK(time(NULL) < limit);
  CHECK(found == 1);
  return wc;
}

static void make_initiator(struct end* end) {
  struct ibv_exp_qp_init_attr init = {.send_cq = end->cq, .recv_cq = end->cq, .cap = {32, 0, 2, 0, 64}, .pd = end->pd};
  struct ibv_exp_qp_attr attr = {.qp_state = IBV_QPS_INIT, .port_num = 1};
  init.qp_type = IBV_EXP_QPT_DC_INI;
  init.comp_mask = IBV_EXP_QP_INIT_ATTR_PD | IBV_EXP_QP_INIT_ATTR_CREATE_FLAGS;
  CHECK((end->dci = ibv_exp_create_qp(end->context, &init)));
  CHECK(ibv_exp_modify_qp(end->dci, &attr, IBV_EXP_QP_STATE | IBV_EXP_QP_PKEY_INDEX | IBV_EXP_QP_PORT) == 0);
  attr.qp_state = IBV_QPS_RTR;
  attr.path_mtu = IBV_MTU_1024;
  CHECK(ibv_exp_modify_qp(end->dci, &attr, IBV_EXP_QP_STATE | IBV_EXP_QP_PATH_MTU) == 0);
  attr.qp_state = IBV_QPS_RTS;
  attr.timeout = 12;
  attr.retry_cnt = 2;
  attr.rnr_retry = 7;
  attr.max_rd_atomic = 4;
  CHECK(ibv_exp_modify_qp(end->dci, &attr,
                          IBV_EXP_QP_STATE | IBV_EXP_QP_TIMEOUT | IBV_EXP_QP_RETRY_CNT | IBV_EXP_QP_RNR_RETRY |
                              IBV_EXP_QP_MAX_QP_RD_ATOMIC) == 0);
}

static void make(struct end* end, struct board* board) {
  struct ibv_device** list = ibv_get_device_list(NULL);
  struct ibv_exp_cq_init_attr cq_init = {0};
  struct ibv_srq_init_attr srq_init = {.attr = {64, 1, 0}};
  const size_t size = (size_t)kSlot * (2 + kProcesses);
  CHECK(list && list[0] && (end->context = ibv_open_device(list[0])));
  CHECK((end->pd = ibv_alloc_pd(end->context)));
  CHECK((end->cq = ibv_exp_create_cq(end->context, 64, NULL, NULL, 0, &cq_init)));
  CHECK((end->target_cq = ibv_exp_create_cq(end->context, 64, NULL, NULL, 0, &cq_init)));
  CHECK((end->srq = ibv_create_srq(end->pd, &srq_init)));
  CHECK((end->buffer = calloc(1, size)));
  CHECK((end->mr = ibv_reg_mr(
             end->pd, end->buffer, size,
             IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC)));
  struct ibv_exp_dct_init_attr dct = {.pd = end->pd, .cq = end->target_cq, .srq = end->srq, .dc_key = kKey, .port = 1};
  dct.access_flags = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC;
  dct.min_rnr_timer = 1;
  dct.mtu = IBV_MTU_1024;
  CHECK((end->dct = ibv_exp_create_dct(end->context, &dct)));
  make_initiator(end);
  struct address* own = &board->of[me];
  CHECK(ibv_query_gid(end->context, 1, 1, &own->gid) == 0);
  own->number = end->dct->dct_num;
  own->rkey = end->mr->rkey;
  own->buffer = (uint64_t)end->buffer;
}

static void find_others(struct end* end, const struct board* board) {
  for (int i = 0; i < kProcesses; ++i) {
    struct ibv_ah_attr attr = {.is_global = 1, .port_num = 1};
    attr.grh.dgid = board->of[i].gid;
    attr.grh.sgid_index = 1;
    attr.grh.hop_limit = 64;
    CHECK((end->ah[i] = ibv_create_ah(end->pd, &attr)));
  }
}

static void receive(struct end* end) {
  struct ibv_recv_wr wr = {0}, *bad;
  CHECK(ibv_post_srq_recv(end->srq, &wr, &bad) == 0);
}

static struct ibv_exp_send_wr to(struct end* end, const struct board* board, int target, enum ibv_exp_wr_opcode opcode,
                                 struct ibv_sge* at, uint64_t offset) {
  struct ibv_exp_send_wr wr = {.wr_id = opcode, .sg_list = at, .num_sge = at ? 1 : 0, .exp_opcode = opcode};
  wr.exp_send_flags = IBV_EXP_SEND_SIGNALED;
  wr.dc.ah = end->ah[target];
  wr.dc.dct_number = board->of[target].number;
  wr.dc.dct_access_key = kKey;
  if (opcode == IBV_EXP_WR_ATOMIC_FETCH_AND_ADD) {
    wr.wr.atomic.remote_addr = board->of[target].buffer + offset;
    wr.wr.atomic.compare_add = 1;
    wr.wr.atomic.rkey = board->of[target].rkey;
  } else {
    wr.wr.rdma.remote_addr = board->of[target].buffer + offset;
    wr.wr.rdma.rkey = board->of[target].rkey;
  }
  return wr;
}

/* Writes, reads it back, counts it, says so. */
static void serve(struct end* end, const struct board* board, int target, int round) {
  const uint32_t size = round % 5 == 0 ? kLarge : 200;
  const uint64_t mine = (uint64_t)kSlot * (unsigned)(2 + me);
  struct ibv_sge from = {(uint64_t)slot(end, 0), size, end->mr->lkey};
  struct ibv_sge back = {(uint64_t)slot(end, 1), size, end->mr->lkey};
  struct ibv_sge word = {(uint64_t)slot(end, 1) + kLarge, 8, end->mr->lkey};
  memset(slot(end, 0), me * 50 + round, size);
  struct ibv_exp_send_wr list[4] = {to(end, board, target, IBV_EXP_WR_RDMA_WRITE, &from, mine),
                                    to(end, board, target, IBV_EXP_WR_RDMA_READ, &back, mine),
                                    to(end, board, target, IBV_EXP_WR_ATOMIC_FETCH_AND_ADD, &word, kLarge),
                                    to(end, board, target, IBV_EXP_WR_SEND_WITH_IMM, NULL, 0)};
  struct ibv_exp_send_wr* bad = NULL;
  for (int i = 0; i < 3; ++i) list[i].next = &list[i + 1];
  list[3].ex.imm_data = (uint32_t)me;
  CHECK(ibv_exp_post_send(end->dci, list, &bad) == 0);
  for (int i = 0; i < 4; ++i) {
    struct ibv_exp_wc wc = wait_for(end->cq);
    if (wc.status != IBV_WC_SUCCESS) fprintf(stderr, "to %d: %s\n", target, ibv_wc_status_str(wc.status));
    CHECK(wc.status == IBV_WC_SUCCESS && wc.wr_id == list[i].wr_id);
  }
  CHECK(memcmp(slot(end, 0), slot(end, 1), size) == 0);
}

static void collect(struct end* end, int* from) {
  struct ibv_exp_wc wc = wait_for(end->target_cq);
  CHECK(wc.status == IBV_WC_SUCCESS && wc.exp_opcode == IBV_EXP_WC_RECV && wc.imm_data < kProcesses);
  CHECK(wc.qp_num == end->dct->dct_num);
  ++from[wc.imm_data];
}

static void all_to_all(struct end* end, struct board* board) {
  int from[kProcesses] = {0};
  for (int i = 0; i < 60; ++i) receive(end);
  meet(board, 1, kProcesses);
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kProcesses; ++i) serve(end, board, (me + i) % kProcesses, round);
    for (int i = 0; i < kProcesses; ++i) {
      collect(end, from);
      receive(end);
    }
  }
  meet(board, 2, kProcesses);
  for (int i = 0; i < kProcesses; ++i) CHECK(from[i] == kRounds);
  uint64_t counted;
  memcpy(&counted, slot(end, 0) + kLarge, sizeof counted);
  CHECK(counted == kRounds * kProcesses);
}

/* The last process is dead. */
static void after_a_death(struct end* end, struct board* board) {
  const int others = kProcesses - 1;
  const int dead = kProcesses - 1;
  struct ibv_exp_send_wr* bad = NULL;
  serve(end, board, (me + 1) % others, 1);
  struct ibv_exp_send_wr lost = to(end, board, dead, IBV_EXP_WR_SEND, NULL, 0);
  CHECK(ibv_exp_post_send(end->dci, &lost, &bad) == 0);
  CHECK(wait_for(end->cq).status == IBV_WC_RETRY_EXC_ERR);
  CHECK(ibv_destroy_qp(end->dci) == 0);
  make_initiator(end);
  serve(end, board, (me + 1) % others, 2);
  meet(board, 4, others);
}

static void unmake(struct end* end) {
  CHECK(ibv_destroy_qp(end->dci) == 0);
  CHECK(ibv_exp_destroy_dct(end->dct) == 0);
  for (int i = 0; i < kProcesses; ++i) CHECK(ibv_destroy_ah(end->ah[i]) == 0);
  CHECK(ibv_destroy_srq(end->srq) == 0);
  CHECK(ibv_destroy_cq(end->cq) == 0);
  CHECK(ibv_destroy_cq(end->target_cq) == 0);
  CHECK(ibv_dereg_mr(end->mr) == 0);
  CHECK(ibv_dealloc_pd(end->pd) == 0);
  CHECK(ibv_close_device(end->context) == 0);
}

static void run(struct board* board) {
  struct end end = {0};
  make(&end, board);
  meet(board, 0, kProcesses);
  find_others(&end, board);
  all_to_all(&end, board);
  meet(board, 5, kProcesses);
  if (me == kProcesses - 1) raise(SIGKILL);
  meet(board, 3, kProcesses); /* the parent stands for the one that is gone */
  after_a_death(&end, board);
  unmake(&end);
  exit(0);
}

int main(void) {
  struct board* board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t child[kProcesses];
  int failed = 0, status;
  CHECK(board != MAP_FAILED);
  for (me = 0; me < kProcesses; ++me) {
    CHECK((child[me] = fork()) >= 0);
    if (child[me] == 0) run(board);
  }
  CHECK(waitpid(child[kProcesses - 1], &status, 0) == child[kProcesses - 1]);
  failed |= !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL;
  arrive(board, 3);
  for (int i = 0; i < kProcesses - 1; ++i) {
    CHECK(waitpid(child[i], &status, 0) == child[i]);
    failed |= status != 0;
  }
  if (failed) return 1;
  puts("all right");
  return 0;
}
