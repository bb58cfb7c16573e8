// SPDX-License-Identifier: BSD-2-Clause
// A program of the newest release, built with compat-headers: registration with attributes, buffers, port speed, and
// completion counters between two processes. Exits with 0 when all of it was right; says what was not.
#include <errno.h>
#include <infiniband/verbatim.h>
#include <infiniband/verbs.h>
#include <infiniband/verbs_newer.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <verbatim/verbatim.h>

#define CHECK(condition)                                                                      \
  do {                                                                                        \
    if (!(condition)) {                                                                       \
      fprintf(stderr, "%d, line %d: %s (errno %d)\n", getpid(), __LINE__, #condition, errno); \
      exit(1);                                                                                \
    }                                                                                         \
  } while (0)

enum { SMALL = 100, LARGE = 1 << 20, MEMORY = 4 << 20, ROUNDS = 20 };

struct end {
  struct ibv_context* context;
  struct ibv_pd* pd;
  struct ibv_mr* mr;
  struct ibv_cq* cq;
  struct ibv_qp* qp;
  struct ibv_buf* buf;
  unsigned char* memory;
  union ibv_gid gid;
  struct ibv_comp_cntr* works[6];  // of each operation
  struct ibv_comp_cntr* all_bytes;
  struct ibv_comp_cntr* errors;
  int peer;
};

struct introduction {
  union ibv_gid gid;
  uint32_t qpn, rkey;
  uint64_t address;
};

static void open_device(struct end* end) {
  struct ibv_device** list = ibv_get_device_list(NULL);
  CHECK(list && list[0]);
  end->context = ibv_open_device(list[0]);
  CHECK(end->context);
  ibv_free_device_list(list);
  end->pd = ibv_alloc_pd(end->context);
  end->cq = ibv_create_cq(end->context, 256, NULL, NULL, 0);
  CHECK(end->pd && end->cq && ibv_query_gid(end->context, 1, 1, &end->gid) == 0);
}

static void use_speed_and_names(struct end* end) {
  uint64_t speed = 0;
  CHECK(ibv_query_port_speed(end->context, 1, &speed) == 0 && speed >= 1);
  CHECK(ibv_query_port_speed(end->context, 2, &speed) == EINVAL);
  struct {
    struct verbatim_port_attr value;
    uint32_t end;
  } port = {.end = 0x5a5a5a5a};
  CHECK(verbatim_query_port(end->context, 1, &port.value) == 0 && port.end == 0x5a5a5a5a);
  CHECK(port.value.active_speed_ex == port.value.base.active_speed);
  CHECK(strcmp(ibv_wr_opcode_str(IBV_WR_FLUSH), "flush") == 0);
  CHECK(strcmp(ibv_wr_opcode_str((enum ibv_wr_opcode)99), "unknown") == 0);
  CHECK(strcmp(ibv_event_type_str(IBV_EVENT_DEVICE_SPEED_CHANGE), "unknown") != 0);
}

/// On one node there is nothing to choose: the decisions say so. On several, a region at home on the node of CPU 0 has
/// its pages and the helper there.
static void see_placed(struct end* end, const struct ibv_mr* mr, int cpu) {
  struct verbatim_placement placement;
  struct verbatim_progress progress;
  CHECK(verbatim_query_mr_placement(mr, &placement) == 0 && verbatim_query_progress(end->context, &progress) == 0);
  CHECK(placement.cpu == cpu && placement.node >= 0 && CPU_COUNT(&progress.cpus) > 0 && progress.nodes >= 1);
  if (progress.nodes == 1) {
    CHECK(placement.pages == VERBATIM_PAGES_ONE_NODE && !progress.confined);
  } else if (placement.pages != VERBATIM_PAGES_REFUSED) {
    CHECK(placement.pages == VERBATIM_PAGES_PREFER_NODE && placement.pages_errno == 0 && progress.confined);
  }
}

static void use_dma_handles(struct end* end) {
  struct ibv_dmah_init_attr hints = {.comp_mask = IBV_DMAH_INIT_ATTR_MASK_CPU_ID | IBV_DMAH_INIT_ATTR_MASK_TPH_MEM_TYPE,
                                     .cpu_id = 0,
                                     .tph_mem_type = IBV_TPH_MEM_TYPE_PM};
  struct ibv_dmah* dmah = ibv_alloc_dmah(end->context, &hints);
  CHECK(dmah && dmah->context == end->context);
  struct ibv_mr_init_attr attr = {.length = 4096,
                                  .access = IBV_ACCESS_LOCAL_WRITE,
                                  .comp_mask = IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_IOVA | IBV_REG_MR_MASK_DMAH,
                                  .iova = 0x10000,
                                  .addr = end->memory,
                                  .dmah = dmah};
  struct ibv_mr* mr = ibv_reg_mr_ex(end->pd, &attr);
  CHECK(mr && mr->addr == end->memory && mr->length == 4096);
  struct ibv_dmah_init_attr kept = {0};
  CHECK(verbatim_query_mr_hints(mr, &kept) == 0 && kept.comp_mask == hints.comp_mask && kept.cpu_id == 0);
  CHECK(kept.tph_mem_type == IBV_TPH_MEM_TYPE_PM);
  see_placed(end, mr, 0);
  CHECK(verbatim_query_mr_hints(end->mr, &kept) == ENODATA);
  CHECK(ibv_dealloc_dmah(dmah) == EBUSY);
  CHECK(ibv_dereg_mr(mr) == 0 && ibv_dealloc_dmah(dmah) == 0);
  hints.cpu_id = 1 << 20;
  CHECK(ibv_alloc_dmah(end->context, &hints) == NULL && errno == EINVAL);
  hints.comp_mask = 1 << 9;
  CHECK(ibv_alloc_dmah(end->context, &hints) == NULL && errno == EOPNOTSUPP);
}

static void say_where_memory_is_at_home(struct end* end) {
  struct verbatim_placement placement;
  memset(end->memory, 1, 4096);
  CHECK(verbatim_query_mr_placement(end->mr, &placement) == 0 && placement.cpu == -1 && placement.node == -1);
  CHECK(placement.pages == VERBATIM_PAGES_NO_WISH);
  CHECK(verbatim_place_mr(end->mr, 0, -1) == 0);
  see_placed(end, end->mr, 0);
  CHECK(verbatim_query_mr_placement(end->mr, &placement) == 0);
  const int node = placement.node;
  CHECK(verbatim_place_mr(end->mr, -1, node) == 0);
  see_placed(end, end->mr, -1);
  CHECK(verbatim_place_mr(end->mr, 1 << 20, -1) == EINVAL && verbatim_place_mr(end->mr, -1, 1 << 20) == EINVAL);
  CHECK(verbatim_place_mr(end->mr, 0, node + 1) == EINVAL && verbatim_place_mr(end->mr, -2, -1) == EINVAL);
  see_placed(end, end->mr, -1);  // what was refused has changed nothing
  struct ibv_mr* all = verbatim_reg_global_mr(end->pd, IBV_ACCESS_LOCAL_WRITE);
  CHECK(all && verbatim_place_mr(all, 0, -1) == 0 && verbatim_query_mr_placement(all, &placement) == 0);
  CHECK(placement.node == node && placement.pages != VERBATIM_PAGES_PREFER_NODE && placement.page_node == -1);
  CHECK(ibv_dereg_mr(all) == 0);
  CHECK(verbatim_place_mr(end->mr, -1, -1) == 0 && verbatim_query_mr_placement(end->mr, &placement) == 0);
  CHECK(placement.node == -1 && placement.pages == VERBATIM_PAGES_NO_WISH);
  struct verbatim_progress progress;
  CHECK(verbatim_query_progress(end->context, &progress) == 0 && !progress.confined);
  struct ibv_cq* cq = ibv_create_cq(end->context, 1, NULL, NULL, 1);  // vector 1: the second CPU's node
  CHECK(cq && verbatim_query_progress(end->context, &progress) == 0);
  CHECK(progress.confined == (progress.nodes > 1));
  CHECK(ibv_destroy_cq(cq) == 0 && verbatim_query_progress(end->context, &progress) == 0 && !progress.confined);
}

static void refuse_wrong_attributes(struct end* end) {
  struct ibv_mr_init_attr attr = {.length = 4096, .access = IBV_ACCESS_LOCAL_WRITE, .addr = end->memory};
  CHECK(ibv_reg_mr_ex(end->pd, &attr) == NULL && errno == EINVAL);  // neither address nor fd
  attr.comp_mask = IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_FD;
  CHECK(ibv_reg_mr_ex(end->pd, &attr) == NULL && errno == EINVAL);
  attr.comp_mask = 1 << 20;
  CHECK(ibv_reg_mr_ex(end->pd, &attr) == NULL && errno == EOPNOTSUPP);
  CHECK(ibv_reg_buf_mr(end->pd, end->buf, end->memory + 4096, MEMORY, IBV_ACCESS_LOCAL_WRITE) == NULL);
  CHECK(errno == EINVAL);
  struct ibv_pd* other = ibv_alloc_pd(end->context);
  CHECK(ibv_reg_buf_mr(other, end->buf, end->memory, 4096, IBV_ACCESS_LOCAL_WRITE) == NULL && errno == EINVAL);
  CHECK(ibv_dealloc_pd(other) == 0);
}

/// What is exported is the memory itself, and can be registered as a DMA buffer. Kernels may have none to give.
static void export_memory(struct end* end) {
  int fd = ibv_export_buf_dmabuf_fd(end->buf);
  if (fd < 0) {
    CHECK(errno == ENODATA);
    return;
  }
  unsigned char* seen = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK(seen != MAP_FAILED);
  end->memory[MEMORY - 2] = 77;
  CHECK(seen[MEMORY - 2] == 77);
  seen[MEMORY - 2] = 0;
  CHECK(end->memory[MEMORY - 2] == 0);
  struct ibv_mr* mr = ibv_reg_dmabuf_mr(end->pd, 0, MEMORY, 0, fd, IBV_ACCESS_LOCAL_WRITE);
  CHECK(mr && close(fd) == 0 && ibv_dereg_mr(mr) == 0 && munmap(seen, MEMORY) == 0);
  fputs("newer: exported as a DMA buffer\n", stderr);
}

static void make_memory(struct end* end) {
  end->memory = ibv_alloc_buf(end->pd, MEMORY, &end->buf);
  CHECK(end->memory && (uintptr_t)end->memory % 4096 == 0 && end->memory[MEMORY - 1] == 0);
  int access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ;
  end->mr = ibv_reg_buf_mr(end->pd, end->buf, end->memory, MEMORY, access);
  CHECK(end->mr && end->mr->addr == end->memory);
  export_memory(end);
}

/// The DMA buffer behind device memory is the memory itself. Kernels may have none to give.
static void export_device_memory(struct end* end) {
  struct ibv_alloc_dm_attr attr = {.length = 4096};
  struct ibv_dm* dm = ibv_alloc_dm(end->context, &attr);
  uint32_t word = 0x12345678;
  CHECK(dm && ibv_memcpy_to_dm(dm, 1024, &word, sizeof word) == 0);
  int fd = ibv_dm_export_dmabuf_fd(dm);
  if (fd < 0) {
    CHECK(errno == ENODATA);
  } else {
    uint32_t* seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(seen != MAP_FAILED && seen[256] == word);
    seen[257] = ~word;
    CHECK(ibv_memcpy_from_dm(&word, dm, 1028, sizeof word) == 0 && word == ~0x12345678u);
    CHECK(munmap(seen, 4096) == 0 && close(fd) == 0);
  }
  CHECK(ibv_free_dm(dm) == 0);
}

static struct ibv_comp_cntr* make_counter(struct end* end, enum ibv_comp_cntr_type type) {
  struct ibv_comp_cntr_init_attr attr = {.type = type};
  struct ibv_comp_cntr* counter = ibv_create_comp_cntr(end->context, &attr);
  CHECK(counter && counter->context == end->context);
  return counter;
}

static uint64_t value_of(struct ibv_comp_cntr* counter) {
  uint64_t value = 0;
  CHECK(ibv_read_comp_cntr(counter, &value) == 0);
  return value;
}

static uint64_t errors_of(struct ibv_comp_cntr* counter) {
  uint64_t value = 0;
  CHECK(ibv_read_err_comp_cntr(counter, &value) == 0);
  return value;
}

static void use_counters_alone(struct end* end) {
  struct ibv_comp_cntr_caps caps = {0};
  CHECK(ibv_query_comp_cntr_caps(end->context, &caps) == 0 && caps.max_counters > 100 && caps.max_value == UINT64_MAX);
  CHECK(caps.supported_qp_attach_ops == 63);
  struct ibv_comp_cntr* counter = make_counter(end, IBV_COMP_CNTR_TYPE_WRS);
  CHECK(value_of(counter) == 0 && errors_of(counter) == 0);
  CHECK(ibv_set_comp_cntr(counter, UINT64_MAX) == 0 && ibv_inc_comp_cntr(counter, 2) == 0 && value_of(counter) == 1);
  CHECK(ibv_set_err_comp_cntr(counter, 5) == 0 && ibv_inc_err_comp_cntr(counter, 3) == 0 && errors_of(counter) == 8);
  CHECK(ibv_destroy_comp_cntr(counter) == 0);
  struct ibv_comp_cntr_init_attr attr = {.flags = 1};
  CHECK(ibv_create_comp_cntr(end->context, &attr) == NULL && errno == EINVAL);
}

static struct ibv_qp* make_qp(struct end* end) {
  struct ibv_qp_init_attr init = {.send_cq = end->cq, .recv_cq = end->cq, .qp_type = IBV_QPT_RC};
  init.cap = (struct ibv_qp_cap){.max_send_wr = 64, .max_recv_wr = 64, .max_send_sge = 1, .max_recv_sge = 1};
  struct ibv_qp* qp = ibv_create_qp(end->pd, &init);
  CHECK(qp);
  return qp;
}

/// One counter for each operation.
static void attach_counters(struct end* end) {
  for (uint32_t i = 0; i < 6; ++i) {
    end->works[i] = make_counter(end, IBV_COMP_CNTR_TYPE_WRS);
    struct ibv_qp_attach_comp_cntr_attr attr = {.op_mask = 1u << i};
    CHECK(ibv_qp_attach_comp_cntr(end->qp, end->works[i], &attr) == 0);
    CHECK(ibv_qp_attach_comp_cntr(end->qp, end->works[i], &attr) == EBUSY);
    CHECK(ibv_destroy_comp_cntr(end->works[i]) == EBUSY);
  }
  struct ibv_qp_attach_comp_cntr_attr attr = {.op_mask = 0};
  CHECK(ibv_qp_attach_comp_cntr(end->qp, end->works[0], &attr) == EINVAL);
  attr.op_mask = 64;
  CHECK(ibv_qp_attach_comp_cntr(end->qp, end->works[0], &attr) == EOPNOTSUPP);
}

/// The same counter for all operations, in bytes.
static void attach_one_counter(struct end* end) {
  end->all_bytes = make_counter(end, IBV_COMP_CNTR_TYPE_BYTES);
  struct ibv_qp_attach_comp_cntr_attr attr = {.op_mask = 63};
  CHECK(ibv_qp_attach_comp_cntr(end->qp, end->all_bytes, &attr) == 0);
}

static struct introduction connect_qp(struct end* end) {
  struct introduction mine = {end->gid, end->qp->qp_num, end->mr->rkey, (uintptr_t)end->memory}, theirs;
  CHECK(write(end->peer, &mine, sizeof mine) == sizeof mine);
  CHECK(read(end->peer, &theirs, sizeof theirs) == sizeof theirs);
  struct ibv_qp_attr attr = {.qp_state = IBV_QPS_INIT, .port_num = 1};
  attr.qp_access_flags = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ;
  CHECK(ibv_modify_qp(end->qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS) == 0);
  attr.qp_state = IBV_QPS_RTR;
  attr.path_mtu = IBV_MTU_1024;
  attr.dest_qp_num = theirs.qpn;
  attr.max_dest_rd_atomic = attr.max_rd_atomic = 4;
  attr.min_rnr_timer = 12;
  attr.ah_attr = (struct ibv_ah_attr){.grh = {.dgid = theirs.gid, .sgid_index = 1}, .is_global = 1, .port_num = 1};
  CHECK(ibv_modify_qp(end->qp, &attr,
                      IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                          IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER) == 0);
  struct ibv_comp_cntr* late = make_counter(end, IBV_COMP_CNTR_TYPE_WRS);
  struct ibv_qp_attach_comp_cntr_attr attach = {.op_mask = 1};
  CHECK(ibv_qp_attach_comp_cntr(end->qp, late, &attach) == EINVAL && ibv_destroy_comp_cntr(late) == 0);
  attr.qp_state = IBV_QPS_RTS;
  attr.timeout = 14;
  attr.retry_cnt = attr.rnr_retry = 6;
  CHECK(ibv_modify_qp(end->qp, &attr,
                      IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
                          IBV_QP_MAX_QP_RD_ATOMIC) == 0);
  return theirs;
}

static void meet(struct end* end) {
  char byte = 0;
  CHECK(write(end->peer, &byte, 1) == 1);
  CHECK(read(end->peer, &byte, 1) == 1);
}

static void post_receives(struct end* end, int count) {
  struct ibv_sge sge = {(uintptr_t)end->memory, LARGE, end->mr->lkey};
  struct ibv_recv_wr wr = {.sg_list = &sge, .num_sge = 1}, *bad;
  for (int i = 0; i < count; ++i) CHECK(ibv_post_recv(end->qp, &wr, &bad) == 0);
}

static void post(struct end* end, const struct introduction* theirs, enum ibv_wr_opcode opcode, uint32_t length,
                 uint32_t rkey) {
  struct ibv_sge sge = {(uintptr_t)end->memory + LARGE, length, end->mr->lkey};
  struct ibv_send_wr wr = {.sg_list = &sge, .num_sge = 1, .opcode = opcode}, *bad;
  wr.wr.rdma.remote_addr = theirs->address + 2 * LARGE;
  wr.wr.rdma.rkey = rkey;
  CHECK(ibv_post_send(end->qp, &wr, &bad) == 0);
}

/// Counters are the only way to learn of completions here: nothing is signaled, no CQ is polled.
static void wait_for(struct ibv_comp_cntr* counter, uint64_t (*read_it)(struct ibv_comp_cntr*), uint64_t value) {
  for (time_t end = time(NULL) + 60; read_it(counter) < value;) CHECK(time(NULL) < end);
  CHECK(read_it(counter) == value);
}

static void initiate(struct end* end, const struct introduction* theirs) {
  for (int i = 0; i < ROUNDS; ++i) {
    const uint32_t length = i % 4 == 3 ? LARGE : SMALL;
    post(end, theirs, IBV_WR_SEND, length, 0);
    post(end, theirs, IBV_WR_RDMA_WRITE, length, theirs->rkey);
    post(end, theirs, IBV_WR_RDMA_READ, length, theirs->rkey);
    wait_for(end->works[0], value_of, (uint64_t)i + 1);
    wait_for(end->works[2], value_of, (uint64_t)i + 1);
    wait_for(end->works[4], value_of, (uint64_t)i + 1);
  }
  post(end, theirs, IBV_WR_RDMA_WRITE_WITH_IMM, SMALL, theirs->rkey);
  wait_for(end->works[4], value_of, ROUNDS + 1);
  CHECK(value_of(end->works[1]) == 0 && value_of(end->works[3]) == 0 && value_of(end->works[5]) == 0);
  for (int i = 0; i < 6; ++i) CHECK(errors_of(end->works[i]) == 0);
}

/// What came of the peer's work requests, in bytes.
static void follow(struct end* end) {
  const uint64_t large = ROUNDS / 4, small = ROUNDS - large;
  const uint64_t each = large * LARGE + small * SMALL;
  wait_for(end->all_bytes, value_of,
           3 * each + 2 * SMALL);  // the last WRITE with immediate data counts as a receive too
  CHECK(errors_of(end->all_bytes) == 0);
}

static void fail(struct end* end, const struct introduction* theirs, int first) {
  if (first) {
    post(end, theirs, IBV_WR_RDMA_WRITE, SMALL, theirs->rkey + 0x1111);
    post(end, theirs, IBV_WR_SEND, SMALL, 0);
    wait_for(end->works[4], errors_of, 1);  // refused
    wait_for(end->works[0], errors_of, 1);  // flushed
    wait_for(end->works[1], errors_of, 3);  // receives that were posted
    CHECK(value_of(end->works[4]) == ROUNDS + 1 && value_of(end->works[0]) == ROUNDS);
  } else {
    wait_for(end->all_bytes, errors_of, 1 + 3);  // the peer's WRITE, and receives that were posted
  }
}

static void destroy(struct end* end) {
  CHECK(ibv_destroy_qp(end->qp) == 0);
  for (int i = 0; i < 6 && end->works[i]; ++i) CHECK(ibv_destroy_comp_cntr(end->works[i]) == 0);
  if (end->all_bytes) CHECK(ibv_destroy_comp_cntr(end->all_bytes) == 0);
  CHECK(ibv_dereg_mr(end->mr) == 0 && ibv_dealloc_pd(end->pd) == EBUSY);
  ibv_free_buf(end->buf);
  CHECK(ibv_destroy_cq(end->cq) == 0 && ibv_dealloc_pd(end->pd) == 0 && ibv_close_device(end->context) == 0);
}

static void run(int peer, int first) {
  struct end end = {.peer = peer};
  open_device(&end);
  use_speed_and_names(&end);
  make_memory(&end);
  export_device_memory(&end);
  use_dma_handles(&end);
  say_where_memory_is_at_home(&end);
  refuse_wrong_attributes(&end);
  use_counters_alone(&end);
  end.qp = make_qp(&end);
  if (first) {
    attach_counters(&end);
  } else {
    attach_one_counter(&end);
  }
  struct introduction theirs = connect_qp(&end);
  post_receives(&end, first ? 3 : ROUNDS + 1 + 3);
  meet(&end);
  if (first) {
    initiate(&end, &theirs);
  } else {
    follow(&end);
  }
  meet(&end);
  fail(&end, &theirs, first);
  meet(&end);
  destroy(&end);
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
  puts("newer: all right");
  return 0;
}
