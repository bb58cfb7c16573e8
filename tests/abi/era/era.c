// SPDX-License-Identifier: BSD-2-Clause
// A program of the era ERA (era.h): two processes connect, wait for events, use an SRQ and atomics, and query
// everything into structures with guards behind them. Exits with 0 when all of it was right; says what was not.
#include "era.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                                     \
  do {                                                                                       \
    if (!(condition)) {                                                                      \
      fprintf(stderr, "era %d, line %d: %s (errno %d)\n", ERA, __LINE__, #condition, errno); \
      exit(1);                                                                               \
    }                                                                                        \
  } while (0)

// A structure that the library fills in, and what it must leave alone behind it.
#define GUARDED(type)      \
  struct {                 \
    struct type value;     \
    unsigned char end[64]; \
  }
#define GUARD(object) memset(&(object), 0x5a, sizeof(object))
#define GUARD_HELD(object) guard_held((object).end, sizeof(object).end)

static int guard_held(const unsigned char* bytes, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    if (bytes[i] != 0x5a) return 0;
  }
  return 1;
}

enum { QPS_RESET, QPS_INIT, QPS_RTR, QPS_RTS };
enum { QPT_RC = 2, WR_SEND = 2, WR_CMP_SWAP = 5, WR_FETCH_ADD = 6, SIGNALED = 2 };
enum { LOCAL_WRITE = 1, REMOTE_ATOMIC = 8, SRQ_LIMIT = 2, EVENT_SRQ_LIMIT_REACHED = 15 };
enum { INIT_MASK = 0x39, RTR_MASK = 0x121181 | 0x8000, RTS_MASK = 0x12e01 };
enum { RECEIVES = 200, ROUNDS = 150, SIZE = 64, LIST = 40, GOOD = 19 };

struct end {
  struct ibv_context* context;
  struct ibv_pd* pd;
  struct ibv_mr* mr;
  struct ibv_comp_channel* channel;
  struct ibv_cq* cq;
  struct ibv_srq* srq;
  struct ibv_qp *shared, *own;  // the first takes from the SRQ, the second from its own queue
  union ibv_gid gid;
  int peer;
  unsigned char* memory;
};

struct introduction {
  union ibv_gid gid;
  uint32_t shared, own, rkey;
  uint64_t address;
};

static void meet(struct end* end) {
  char byte = 0;
  CHECK(write(end->peer, &byte, 1) == 1);
  CHECK(read(end->peer, &byte, 1) == 1);
}

static void open_first_device(struct end* end) {
  int count = -1;
  struct ibv_device** list = ibv_get_device_list(&count);
  CHECK(list && count >= 1 && list[count] == NULL);
  CHECK(strcmp(ibv_get_device_name(list[0]), "vb_lo") == 0 && ibv_get_device_guid(list[0]) != 0);
  end->context = ibv_open_device(list[0]);
  CHECK(end->context && end->context->device == list[0]);
  ibv_free_device_list(list);
  CHECK(end->context->num_comp_vectors >= 1 && fcntl(end->context->async_fd, F_GETFD) >= 0);
  CHECK(end->context->cmd_fd == -1 || fcntl(end->context->cmd_fd, F_GETFD) >= 0);
  CHECK(strcmp(ibv_get_device_name(end->context->device), "vb_lo") == 0);
}

static void query_the_device(struct end* end) {
  GUARDED(ibv_device_attr) device;
  GUARD(device);
  CHECK(ibv_query_device(end->context, &device.value) == 0 && GUARD_HELD(device));
  CHECK(device.value.phys_port_cnt == 1 && device.value.max_mr_size != 0);
  GUARDED(ibv_port_attr) port;
  GUARD(port);
  CHECK(era_query_port(end->context, 1, &port.value) == 0 && GUARD_HELD(port));
  CHECK(port.value.state == 4 && port.value.gid_tbl_len > 1 && port.value.lid == 0);
#if ERA >= 49
  CHECK(port.value.active_speed_ex == port.value.active_speed);
#endif
  uint16_t pkey = 0;
  CHECK(ibv_query_pkey(end->context, 1, 0, &pkey) == 0 && pkey == 0xffff);
  CHECK(ibv_query_gid(end->context, 1, 1, &end->gid) == 0 && end->gid.raw[10] == 0xff);
#if ERA >= 13
  CHECK(*(size_t*)((char*)end->context - BELOW_SZ) >= SIZE_VERBS_CONTEXT);
  int (*query_device)(struct ibv_context*, const void*, void*, size_t) =
      era_extended(end->context, BELOW_QUERY_DEVICE_EX);
  struct {
    unsigned char value[SIZE_DEVICE_ATTR_EX], end[64];
  } extended;
  GUARD(extended);
  CHECK(query_device && query_device(end->context, NULL, extended.value, sizeof extended.value) == 0);
  CHECK(GUARD_HELD(extended) && memcmp(extended.value, &device.value, sizeof device.value) == 0);
#endif
}

static struct ibv_qp* make_qp(struct end* end, struct ibv_srq* srq, void* own) {
  GUARDED(ibv_qp_init_attr) init;
  GUARD(init);
  init.value = (struct ibv_qp_init_attr){.qp_context = own, .send_cq = end->cq, .recv_cq = end->cq, .srq = srq};
  init.value.cap = (struct ibv_qp_cap){.max_send_wr = 64, .max_recv_wr = 32, .max_send_sge = 1, .max_recv_sge = 1};
  init.value.qp_type = QPT_RC;
  struct ibv_qp* qp = ibv_create_qp(end->pd, &init.value);
  CHECK(qp && qp->qp_context == own && qp->srq == srq && qp->pd == end->pd && qp->state == QPS_RESET);
  CHECK(init.value.cap.max_send_wr >= 64 && qp->send_cq == end->cq && GUARD_HELD(init));
  return qp;
}

static void make_objects(struct end* end) {
  end->pd = ibv_alloc_pd(end->context);
  CHECK(end->pd && end->pd->context == end->context);
  CHECK(posix_memalign((void**)&end->memory, 4096, 8192) == 0);
  memset(end->memory, 0, 8192);
  end->mr = ibv_reg_mr(end->pd, end->memory, 8192, LOCAL_WRITE | REMOTE_ATOMIC);
  CHECK(end->mr && end->mr->pd == end->pd && end->mr->context == end->context);
  end->channel = ibv_create_comp_channel(end->context);
  CHECK(end->channel && fcntl(end->channel->fd, F_GETFD) >= 0);
  end->cq = ibv_create_cq(end->context, 256, end, end->channel, 0);
  CHECK(end->cq && end->cq->cq_context == end && end->cq->cqe >= 256);
  CHECK(ibv_resize_cq(end->cq, 512) == 0 && end->cq->cqe >= 512);
  GUARDED(ibv_srq_init_attr) init;
  GUARD(init);
  init.value = (struct ibv_srq_init_attr){.srq_context = end, .attr = {.max_wr = RECEIVES, .max_sge = 1}};
  end->srq = ibv_create_srq(end->pd, &init.value);
  CHECK(end->srq && end->srq->srq_context == end && init.value.attr.max_wr >= RECEIVES && GUARD_HELD(init));
  end->shared = make_qp(end, end->srq, &end->shared);
  end->own = make_qp(end, NULL, &end->own);
}

static void connect_qp(struct end* end, struct ibv_qp* qp, union ibv_gid gid, uint32_t qpn) {
  struct ibv_qp_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.qp_state = QPS_INIT;
  attr.port_num = 1;
  attr.qp_access_flags = REMOTE_ATOMIC;
  CHECK(ibv_modify_qp(qp, &attr, INIT_MASK) == 0 && qp->state == QPS_INIT);
  attr.qp_state = QPS_RTR;
  attr.path_mtu = 3;
  attr.dest_qp_num = qpn;
  attr.max_dest_rd_atomic = 4;
  attr.min_rnr_timer = 12;
  attr.ah_attr.is_global = 1;
  attr.ah_attr.grh.dgid = gid;
  attr.ah_attr.grh.sgid_index = 1;
  attr.ah_attr.grh.hop_limit = 64;
  attr.ah_attr.port_num = 1;
  CHECK(ibv_modify_qp(qp, &attr, RTR_MASK) == 0 && qp->state == QPS_RTR);
  attr.qp_state = QPS_RTS;
  attr.timeout = 14;
  attr.retry_cnt = attr.rnr_retry = 6;
  attr.max_rd_atomic = 4;
  CHECK(ibv_modify_qp(qp, &attr, RTS_MASK) == 0 && qp->state == QPS_RTS);
  (void)end;
}

static struct introduction introduce(struct end* end) {
  struct introduction mine = {end->gid, end->shared->qp_num, end->own->qp_num, end->mr->rkey, (uintptr_t)end->memory};
  struct introduction theirs;
  CHECK(write(end->peer, &mine, sizeof mine) == sizeof mine);
  CHECK(read(end->peer, &theirs, sizeof theirs) == sizeof theirs);
  connect_qp(end, end->shared, theirs.gid, theirs.shared);
  connect_qp(end, end->own, theirs.gid, theirs.own);
  return theirs;
}

/// The next completion, after an event.
static struct ibv_wc wait_for_completion(struct end* end) {
  GUARDED(ibv_wc) wc;
  GUARD(wc);
  int polled = ibv_poll_cq(end->cq, 1, &wc.value);
  while (polled == 0) {
    CHECK(ibv_req_notify_cq(end->cq, 0) == 0);
    polled = ibv_poll_cq(end->cq, 1, &wc.value);
    if (polled != 0) break;
    struct pollfd ready = {.fd = end->channel->fd, .events = POLLIN};
    CHECK(poll(&ready, 1, 20000) == 1);
    struct ibv_cq* cq = NULL;
    void* cq_context = NULL;
    CHECK(ibv_get_cq_event(end->channel, &cq, &cq_context) == 0 && cq == end->cq && cq_context == end);
    ibv_ack_cq_events(cq, 1);
    polled = ibv_poll_cq(end->cq, 1, &wc.value);
  }
  CHECK(polled == 1 && wc.value.status == 0 && GUARD_HELD(wc));
  return wc.value;
}

static struct ibv_send_wr send_wr(struct ibv_sge* sge, uint64_t id) {
  struct ibv_send_wr wr;
  memset(&wr, 0, sizeof wr);
  wr.wr_id = id;
  wr.sg_list = sge;
  wr.num_sge = 1;
  wr.opcode = WR_SEND;
  wr.send_flags = SIGNALED;
  return wr;
}

static struct ibv_sge sge_at(struct end* end, size_t offset, uint32_t length) {
  return (struct ibv_sge){(uintptr_t)end->memory + offset, length, end->mr->lkey};
}

/// One list that is far longer than what the library translates at a time.
static void fill_the_srq(struct end* end) {
  static struct ibv_recv_wr list[RECEIVES], *bad;
  struct ibv_sge sge = sge_at(end, 0, SIZE);
  for (int i = 0; i < RECEIVES; ++i) {
    memset(&list[i], 0, sizeof list[i]);
    list[i].wr_id = (uint64_t)i;
    list[i].sg_list = &sge;
    list[i].num_sge = 1;
    list[i].next = i + 1 < RECEIVES ? &list[i + 1] : NULL;
  }
  CHECK(ibv_post_srq_recv(end->srq, list, &bad) == 0);
  GUARDED(ibv_srq_attr) attr;
  GUARD(attr);
  CHECK(ibv_query_srq(end->srq, &attr.value) == 0 && GUARD_HELD(attr));
  CHECK(attr.value.max_wr >= RECEIVES && attr.value.srq_limit == 0);
  attr.value.srq_limit = RECEIVES / 2;
  CHECK(ibv_modify_srq(end->srq, &attr.value, SRQ_LIMIT) == 0);
}

static void ping_pong(struct end* end, int first) {
  struct ibv_sge sge = sge_at(end, 1024, SIZE);
  for (int turn = 0, received = 0, sent = 0; received < ROUNDS || sent < ROUNDS; ++turn) {
    if ((turn % 2 == 0) == first) {
      memset(end->memory + 1024, turn, SIZE);
      struct ibv_send_wr wr = send_wr(&sge, 1000), *bad = NULL;
      CHECK(ibv_post_send(end->shared, &wr, &bad) == 0);
      CHECK(wait_for_completion(end).wr_id == 1000);
      ++sent;
    } else {
      struct ibv_wc wc = wait_for_completion(end);
      CHECK(wc.wr_id == (uint64_t)received && wc.byte_len == SIZE && wc.qp_num == end->shared->qp_num);
      CHECK(end->memory[0] == (unsigned char)turn && end->memory[SIZE - 1] == (unsigned char)turn);
      ++received;
    }
  }
}

static void take_the_srq_event(struct end* end) {
  struct pollfd ready = {.fd = end->context->async_fd, .events = POLLIN};
  CHECK(poll(&ready, 1, 20000) == 1);
  GUARDED(ibv_async_event) event;
  GUARD(event);
  CHECK(ibv_get_async_event(end->context, &event.value) == 0 && GUARD_HELD(event));
  CHECK(event.value.event_type == EVENT_SRQ_LIMIT_REACHED && event.value.element.srq == end->srq);
  ibv_ack_async_event(&event.value);
}

static void use_atomics(struct end* end, const struct introduction* theirs) {
  struct ibv_sge sge = sge_at(end, 2048, 8);
  struct ibv_send_wr wr = send_wr(&sge, 2000), *bad = NULL;
  uint64_t* original = (uint64_t*)(end->memory + 2048);
  wr.opcode = WR_FETCH_ADD;
  wr.wr.atomic.remote_addr = theirs->address + 4096;
  wr.wr.atomic.compare_add = 41;
  wr.wr.atomic.rkey = theirs->rkey;
  CHECK(ibv_post_send(end->shared, &wr, &bad) == 0);
  CHECK(wait_for_completion(end).wr_id == 2000 && *original == 0);
  wr.opcode = WR_CMP_SWAP;
  wr.wr.atomic.swap = 99;
  CHECK(ibv_post_send(end->shared, &wr, &bad) == 0);
  CHECK(wait_for_completion(end).wr_id == 2000 && *original == 41);
}

/// A list is posted up to its first bad element, and *bad_wr is that one.
static void refuse_in_the_middle(struct end* end) {
  static struct ibv_recv_wr receives[LIST], *bad_receive;
  struct ibv_sge sge = sge_at(end, 3000, SIZE), nowhere[40];
  memset(receives, 0, sizeof receives);
  memset(nowhere, 0, sizeof nowhere);
  for (int i = 0; i < LIST; ++i) {
    receives[i].wr_id = (uint64_t)i;
    receives[i].sg_list = &sge;
    receives[i].num_sge = 1;
    receives[i].next = i + 1 < LIST ? &receives[i + 1] : NULL;
  }
  CHECK(ibv_post_recv(end->own, receives, &bad_receive) == ENOMEM && bad_receive == &receives[32]);
  meet(end);
  static struct ibv_send_wr sends[LIST], *bad_send;
  for (int i = 0; i < LIST; ++i) {
    sends[i] = send_wr(&sge, 3000);
    sends[i].next = i + 1 < LIST ? &sends[i + 1] : NULL;
  }
  sends[GOOD].sg_list = nowhere;
  sends[GOOD].num_sge = 40;
  CHECK(ibv_post_send(end->own, sends, &bad_send) == EINVAL && bad_send == &sends[GOOD]);
  int sent = 0, received = 0;
  while (sent < GOOD || received < GOOD) {
    if (wait_for_completion(end).wr_id == 3000) {
      ++sent;
    } else {
      ++received;
    }
  }
  CHECK(sent == GOOD && received == GOOD);
}

static void query_a_qp(struct end* end, struct ibv_qp* qp, struct ibv_srq* srq) {
  GUARDED(ibv_qp_attr) attr;
  GUARDED(ibv_qp_init_attr) init;
  GUARD(attr);
  GUARD(init);
  CHECK(ibv_query_qp(qp, &attr.value, 0x1fffff, &init.value) == 0 && GUARD_HELD(attr) && GUARD_HELD(init));
  CHECK(attr.value.qp_state == QPS_RTS && attr.value.timeout == 14 && attr.value.max_rd_atomic == 4);
  CHECK(init.value.srq == srq && init.value.send_cq == end->cq && init.value.qp_context == qp->qp_context);
  CHECK(init.value.qp_type == QPT_RC && init.value.cap.max_send_wr >= 64);
}

static void destroy_objects(struct end* end) {
  CHECK(ibv_destroy_qp(end->shared) == 0 && ibv_destroy_qp(end->own) == 0);
  CHECK(ibv_destroy_srq(end->srq) == 0);
  CHECK(ibv_destroy_comp_channel(end->channel) == EBUSY);
  CHECK(ibv_destroy_cq(end->cq) == 0 && ibv_destroy_comp_channel(end->channel) == 0);
  CHECK(ibv_dealloc_pd(end->pd) == EBUSY);
  CHECK(ibv_dereg_mr(end->mr) == 0 && ibv_dealloc_pd(end->pd) == 0);
  CHECK(ibv_close_device(end->context) == 0);
  free(end->memory);
}

static void run(int peer, int first) {
  struct end end = {.peer = peer};
  open_first_device(&end);
  query_the_device(&end);
  make_objects(&end);
  struct introduction theirs = introduce(&end);
  fill_the_srq(&end);
  meet(&end);
  ping_pong(&end, first);
  take_the_srq_event(&end);
  if (first) use_atomics(&end, &theirs);
  meet(&end);
  if (!first) CHECK(*(uint64_t*)(end.memory + 4096) == 99);
  refuse_in_the_middle(&end);
  query_a_qp(&end, end.shared, end.srq);
  query_a_qp(&end, end.own, NULL);
  meet(&end);
  destroy_objects(&end);
}

int main(void) {
  int sockets[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
  pid_t child = fork();
  CHECK(child >= 0);
  close(sockets[child == 0]);
  run(sockets[child != 0], child != 0);
  if (child == 0) return 0;
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  printf("era %d: all right\n", ERA);
  return 0;
}
