/* SPDX-License-Identifier: BSD-2-Clause */
/* A program as it was built with MLNX_OFED 4.x: it sees no header of ours or of the system's libibverbs, only what it
 * knew then, numbers and distances. Two processes; one does masked atomics and a SEND on the other. */
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* --- declarations of the era ------------------------------------------------------------------------------------- */

#define VERSION(name) __asm__(".symver " #name ", " #name "@IBVERBS_1.1")
VERSION(ibv_get_device_list);
VERSION(ibv_open_device);
VERSION(ibv_alloc_pd);
VERSION(ibv_query_gid);
VERSION(ibv_destroy_qp);
VERSION(ibv_destroy_cq);
VERSION(ibv_dereg_mr);
VERSION(ibv_dealloc_pd);
VERSION(ibv_close_device);

struct context {
  void* device;
  void* ops[32];
  int cmd_fd, async_fd, num_comp_vectors;
  pthread_mutex_t mutex;
  void* abi_compat;
};
struct pd;
struct sge {
  uint64_t addr;
  uint32_t length, lkey;
};
struct mr {
  void *context, *pd, *addr;
  size_t length;
  uint32_t handle, lkey, rkey;
};
struct cq {
  void *context, *channel, *cq_context;
  uint32_t handle;
  int cqe;
  pthread_mutex_t mutex;
  pthread_cond_t cond;
  uint32_t comp_events_completed, async_events_completed;
};
struct qp {
  void *context, *qp_context, *pd, *send_cq, *recv_cq, *srq;
  uint32_t handle, qp_num, state, qp_type;
};
struct cap {
  uint32_t max_send_wr, max_recv_wr, max_send_sge, max_recv_sge, max_inline_data;
};
struct qp_init {
  void *qp_context, *send_cq, *recv_cq, *srq;
  struct cap cap;
  uint32_t qp_type;
  int sq_sig_all;
  uint32_t comp_mask; /* 1: pd, 4: flags, 32: max_atomic_arg */
  void *pd, *xrcd;
  uint32_t create_flags, max_inl_recv;
  uint64_t qpg[2];
  uint32_t max_atomic_arg, max_inl_send_klms;
  void *res_domain, *rx_hash;
  uint8_t port_num;
  void* peer_direct;
  uint16_t max_tso_header;
  uint32_t associated_qpn;
};
struct ah_attr {
  uint8_t dgid[16];
  uint32_t flow_label;
  uint8_t sgid_index, hop_limit, traffic_class, pad;
  uint16_t dlid;
  uint8_t sl, src_path_bits, static_rate, is_global, port_num;
};
struct qp_attr {
  uint32_t qp_state, cur_qp_state, path_mtu, path_mig_state, qkey, rq_psn, sq_psn, dest_qp_num;
  int qp_access_flags;
  struct cap cap;
  struct ah_attr ah, alt_ah;
  uint16_t pkey_index, alt_pkey_index;
  uint8_t en_sqd, sq_draining, max_rd_atomic, max_dest_rd_atomic, min_rnr_timer, port_num, timeout, retry_cnt,
      rnr_retry, alt_port_num, alt_timeout;
  uint64_t dct_key;
  uint32_t comp_mask, flow_entropy, rate_limit, burst[2];
};
struct recv_wr {
  uint64_t wr_id;
  struct recv_wr* next;
  struct sge* sg_list;
  int num_sge;
};
struct send_wr {
  uint64_t wr_id;
  struct send_wr* next;
  struct sge* sg_list;
  int num_sge;
  uint32_t opcode;
  int reserved;
  uint32_t imm_data;
  uint64_t wr[4];
  uint64_t xrc, task[4], op[2], dc[3], bind_mw[6];
  uint64_t flags;
  uint32_t comp_mask;
  uint64_t extension[9]; /* struct masked, for one */
};
struct masked {
  uint32_t log_arg_sz;
  uint64_t remote_addr;
  uint32_t rkey;
  uint64_t operands[4];
};
struct wc {
  uint64_t wr_id;
  uint32_t status, opcode, vendor_err, byte_len, imm_data, qp_num, src_qp, reserved;
  uint16_t pkey_index, slid;
  uint8_t sl, dlid_path_bits;
  uint64_t timestamp;
  void *qp, *srq, *dct;
  uint64_t flags, tag;
  uint32_t priv;
};
struct reg_mr_in {
  void *pd, *addr;
  size_t length;
  uint64_t access;
  uint32_t comp_mask, create_flags;
  void* dm;
};
_Static_assert(sizeof(struct context) == 328 && sizeof(struct qp_init) == 152 && sizeof(struct qp_attr) == 168, "");
_Static_assert(sizeof(struct wc) == 104 && sizeof(struct reg_mr_in) == 48, "");
_Static_assert(offsetof(struct send_wr, flags) == 200 && offsetof(struct send_wr, extension) == 216, "");
_Static_assert(sizeof(struct send_wr) == 288 && sizeof(struct masked) == 56, "");

void** ibv_get_device_list(int* count);
struct context* ibv_open_device(void* device);
struct pd* ibv_alloc_pd(struct context* context);
int ibv_query_gid(struct context* context, uint8_t port, int index, uint8_t* gid);
int ibv_destroy_qp(struct qp* qp);
int ibv_destroy_cq(struct cq* cq);
int ibv_dereg_mr(struct mr* mr);
int ibv_dealloc_pd(struct pd* pd);
int ibv_close_device(struct context* context);

/* --- the tables ----------------------------------------------------------------------------------------------------
 */

#define CHECK(condition)                                                                \
  do {                                                                                  \
    if (!(condition)) {                                                                 \
      fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
      exit(1);                                                                          \
    }                                                                                   \
  } while (0)

/* Where the experimental table ends: right in front of verbs_context, whose own size stands before the context. */
static char* table_end(struct context* context) {
  uint64_t* words = (uint64_t*)context;
  CHECK(context->abi_compat == (void*)UINTPTR_MAX);
  CHECK(words[-2] & (uint64_t)1 << 62);
  return (char*)context - (words[-1] - sizeof *context);
}

/* The function at a distance from the end, if the table is that long. */
static void* slot(struct context* context, size_t distance) {
  char* end = table_end(context);
  CHECK(((uint64_t*)end)[-1] >= distance);
  void* function = *(void**)(end - distance);
  CHECK(function);
  return function;
}

static int query_device(struct context* context, void* attr) {
  return ((int (*)(void*, void*))slot(context, 32))(context, attr);
}
static struct qp* create_qp(struct context* context, struct qp_init* init) {
  return ((struct qp * (*)(void*, void*)) slot(context, 16))(context, init);
}
static int modify_qp(struct qp* qp, struct qp_attr* attr, uint64_t mask) {
  return ((int (*)(void*, void*, uint64_t))slot(qp->context, 152))(qp, attr, mask);
}
static int post_send(struct qp* qp, struct send_wr* wr, struct send_wr** bad) {
  return ((int (*)(void*, void*, void*))slot(qp->context, 248))(qp, wr, bad);
}
static int poll_cq(struct cq* cq, int count, struct wc* wc) {
  return ((int (*)(void*, int, void*, uint32_t))slot(cq->context, 200))(cq, count, wc, sizeof *wc);
}
static struct mr* reg_mr(struct context* context, struct reg_mr_in* in) {
  return ((struct mr * (*)(void*)) slot(context, 232))(in);
}
static int post_recv(struct qp* qp, struct recv_wr* wr, struct recv_wr** bad) {
  struct context* context = qp->context;
  return ((int (*)(void*, void*, void*))(*(void**)((char*)context + 216)))(qp, wr, bad);
}

/* As the inline function of the era did it: under the context's mutex, and with what was the library's to fill in. */
static struct cq* create_cq(struct context* context, int cqe) {
  uint32_t attr[6] = {0};
  pthread_mutex_lock(&context->mutex);
  struct cq* cq = ((struct cq * (*)(void*, int, void*, int, void*)) slot(context, 208))(context, cqe, NULL, 0, attr);
  CHECK(cq);
  cq->context = context;
  cq->channel = cq->cq_context = NULL;
  cq->comp_events_completed = cq->async_events_completed = 0;
  pthread_mutex_init(&cq->mutex, NULL);
  pthread_cond_init(&cq->cond, NULL);
  pthread_mutex_unlock(&context->mutex);
  return cq;
}

/* --- the program ---------------------------------------------------------------------------------------------------
 */

struct address {
  uint8_t gid[16];
  uint32_t qpn, rkey;
  uint64_t buffer;
};

struct end {
  struct context* context;
  struct pd* pd;
  struct cq* cq;
  struct mr* mr;
  struct qp* qp;
  uint64_t words[512];
  struct address own, peer;
};

static void check_device(struct context* context) {
  unsigned char attr[600];
  uint32_t wanted = 1u << 3 | 1u << 19; /* capabilities, masked atomics */
  uint64_t flags, sizes;
  memset(attr, 0x5a, sizeof attr);
  memcpy(attr + 228, &wanted, sizeof wanted);
  CHECK(query_device(context, attr) == 0);
  memcpy(&flags, attr + 288, sizeof flags);
  memcpy(&sizes, attr + 448 + 8, sizeof sizes);
  CHECK(flags & (uint64_t)1 << 46);
  CHECK(sizes & 8);
  for (size_t i = 472; i < sizeof attr; ++i) CHECK(attr[i] == 0x5a); /* a younger part, which was not asked for */
}

static void make(struct end* end) {
  void** list = ibv_get_device_list(NULL);
  CHECK(list && list[0]);
  CHECK((end->context = ibv_open_device(list[0])));
  check_device(end->context);
  CHECK((end->pd = ibv_alloc_pd(end->context)));
  end->cq = create_cq(end->context, 64);
  struct reg_mr_in in = {.pd = end->pd, .addr = end->words, .length = sizeof end->words, .access = 15};
  CHECK((end->mr = reg_mr(end->context, &in)));
  struct qp_init init = {.send_cq = end->cq, .recv_cq = end->cq, .cap = {16, 16, 2, 2, 0}, .qp_type = 2};
  init.comp_mask = 1 | 4 | 32;
  init.pd = end->pd;
  init.max_atomic_arg = 32;
  CHECK((end->qp = create_qp(end->context, &init)));
  CHECK(ibv_query_gid(end->context, 1, 1, end->own.gid) == 0);
  end->own.qpn = end->qp->qp_num;
  end->own.rkey = end->mr->rkey;
  end->own.buffer = (uint64_t)end->words;
}

static void connect_to(struct end* end) {
  struct qp_attr attr = {.qp_state = 1, .port_num = 1, .qp_access_flags = 15};
  CHECK(modify_qp(end->qp, &attr, 1 | 1 << 3 | 1 << 4 | 1 << 5) == 0);
  attr.qp_state = 2;
  attr.path_mtu = 3;
  attr.dest_qp_num = end->peer.qpn;
  attr.rq_psn = attr.sq_psn = 7;
  attr.max_rd_atomic = attr.max_dest_rd_atomic = 4;
  attr.min_rnr_timer = 1;
  memcpy(attr.ah.dgid, end->peer.gid, 16);
  attr.ah.sgid_index = attr.ah.is_global = attr.ah.port_num = 1;
  attr.ah.hop_limit = 64;
  CHECK(modify_qp(end->qp, &attr, 1 | 1 << 7 | 1 << 8 | 1 << 12 | 1 << 15 | 1 << 17 | 1 << 20) == 0);
  attr.qp_state = 3;
  attr.timeout = 14;
  attr.retry_cnt = attr.rnr_retry = 7;
  CHECK(modify_qp(end->qp, &attr, 1 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 13 | 1 << 16) == 0);
}

static struct wc wait_for(struct end* end, uint64_t id) {
  struct wc wc;
  time_t limit = time(NULL) + 20;
  int found;
  while ((found = poll_cq(end->cq, 1, &wc)) == 0) CHECK(time(NULL) < limit);
  CHECK(found == 1 && wc.status == 0 && wc.wr_id == id);
  return wc;
}

static struct send_wr masked(struct end* end, uint32_t opcode, uint64_t id, struct sge* at, const uint64_t* operands) {
  struct send_wr wr = {.wr_id = id, .sg_list = at, .num_sge = 1, .opcode = opcode};
  struct masked op = {.log_arg_sz = 3, .remote_addr = end->peer.buffer + 64, .rkey = end->peer.rkey};
  memcpy(op.operands, operands, sizeof op.operands);
  memcpy((char*)&wr + 216, &op, sizeof op);
  wr.flags = 2 | (uint64_t)1 << 35;
  return wr;
}

static void active(struct end* end) {
  struct sge at = {(uint64_t)end->words, 8, end->mr->lkey};
  const uint64_t add[4] = {0x00ff, 0x8080}, swap[4] = {0xff00, 0x0f00, 0xab00, 0xff00};
  struct send_wr first = masked(end, 100, 1, &at, add), second = masked(end, 99, 2, &at, swap), *bad = NULL;
  CHECK(post_send(end->qp, &first, &bad) == 0);
  struct wc wc = wait_for(end, 1);
  CHECK(wc.opcode == 10 && end->words[0] == 0x0f02);
  CHECK(post_send(end->qp, &second, &bad) == 0);
  wc = wait_for(end, 2);
  CHECK(wc.opcode == 9 && end->words[0] == 0x0f01); /* 02 + ff stays in its byte */
  struct send_wr send = {.wr_id = 3, .sg_list = &at, .num_sge = 1, .opcode = 3, .imm_data = 0x1234, .flags = 2};
  CHECK(post_send(end->qp, &send, &bad) == 0);
  wait_for(end, 3);
}

static void passive(struct end* end) {
  struct wc wc = wait_for(end, 9);
  CHECK(wc.opcode == 128 && wc.byte_len == 8 && wc.imm_data == 0x1234 && (wc.flags & 2));
  CHECK(end->words[100] == 0x0f01);
  CHECK(end->words[8] == 0xab01);
}

static void exchange(int fd, const void* out, void* in, size_t size) {
  CHECK(write(fd, out, size) == (ssize_t)size);
  CHECK(read(fd, in, size) == (ssize_t)size);
}

static void run(int fd, int is_active) {
  struct end* end = calloc(1, sizeof *end);
  char done = 1;
  CHECK(end);
  make(end);
  if (!is_active) {
    struct sge to = {(uint64_t)&end->words[100], 64, end->mr->lkey};
    struct recv_wr wr = {9, NULL, &to, 1}, *bad;
    struct qp_attr init = {.qp_state = 1, .port_num = 1, .qp_access_flags = 15};
    CHECK(modify_qp(end->qp, &init, 1 | 1 << 3 | 1 << 4 | 1 << 5) == 0);
    CHECK(post_recv(end->qp, &wr, &bad) == 0);
    end->words[8] = 0x0f02;
  }
  exchange(fd, &end->own, &end->peer, sizeof end->own);
  connect_to(end);
  exchange(fd, &done, &done, 1);
  if (is_active) {
    active(end);
  } else {
    passive(end);
  }
  exchange(fd, &done, &done, 1);
  CHECK(ibv_destroy_qp(end->qp) == 0);
  CHECK(ibv_destroy_cq(end->cq) == 0);
  CHECK(ibv_dereg_mr(end->mr) == 0);
  CHECK(ibv_dealloc_pd(end->pd) == 0);
  CHECK(ibv_close_device(end->context) == 0);
  free(end);
}

int main(void) {
  int fds[2], status;
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
  pid_t child = fork();
  CHECK(child >= 0);
  close(fds[child == 0]);
  run(fds[child != 0], child != 0);
  if (child == 0) return 0;
  close(fds[1]);
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  puts("all right");
  return 0;
}
