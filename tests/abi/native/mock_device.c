// SPDX-License-Identifier: BSD-2-Clause
// A native library with one device, mock0, whose queue pairs complete what is posted at once. Functions that open and
// list say on the standard output that they were called; an object that is not this library's ends the program.
#include <fcntl.h>
#include <infiniband/verbs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#undef ibv_get_device_list
#undef ibv_query_port
#undef ibv_reg_mr

char verbs_allow_disassociate_destroy = 1;

static struct ibv_device device = {.node_type = IBV_NODE_CA, .name = "mock0", .dev_name = "uverbs0"};
static struct ibv_context context = {.device = &device};
static int event_writer, opened;

enum { PD = 17, RING = 16 };

struct mock_cq {
  struct ibv_cq abi;
  struct ibv_wc ring[RING];
  unsigned head, tail;
  int armed, writer;
};

struct mock_channel {
  struct ibv_comp_channel abi;
  int writer;
};

static void must(int condition, const char* what) {
  if (condition) return;
  printf("native library: %s\n", what);
  fflush(stdout);
  abort();
}
#define MINE(object) must((object)->context == &context, __func__)

static int open_pipe(int* writer) {
  int ends[2];
  must(pipe2(ends, O_CLOEXEC) == 0, "pipe2");
  *writer = ends[1];
  return ends[0];
}

// --- ops -------------------------------------------------------------------------------------------------------

static int poll_cq(struct ibv_cq* cq, int count, struct ibv_wc* wc) {
  MINE(cq);
  struct mock_cq* mine = (struct mock_cq*)cq;
  int got = 0;
  for (; got < count && mine->tail != mine->head; ++got) wc[got] = mine->ring[mine->tail++ % RING];
  return got;
}

static int req_notify_cq(struct ibv_cq* cq, int solicited_only) {
  MINE(cq);
  (void)solicited_only;
  ((struct mock_cq*)cq)->armed = 1;
  return 0;
}

static int post_send(struct ibv_qp* qp, struct ibv_send_wr* wr, struct ibv_send_wr** bad) {
  MINE(qp);
  (void)bad;
  struct mock_cq* cq = (struct mock_cq*)qp->send_cq;
  for (; wr; wr = wr->next) {
    cq->ring[cq->head++ % RING] =
        (struct ibv_wc){.wr_id = wr->wr_id, .opcode = IBV_WC_RDMA_WRITE, .qp_num = qp->qp_num};
  }
  struct ibv_cq* news = &cq->abi;
  if (cq->armed) must(write(cq->writer, &news, sizeof news) == sizeof news, "write");
  cq->armed = 0;
  return 0;
}

// --- devices ---------------------------------------------------------------------------------------------------

struct ibv_device** ibv_get_device_list(int* count) {
  puts("native ibv_get_device_list");
  struct ibv_device** list = calloc(2, sizeof *list);
  list[0] = &device;
  if (count) *count = 1;
  return list;
}

void ibv_free_device_list(struct ibv_device** list) {
  puts("native ibv_free_device_list");
  free(list);
}

__be64 ibv_get_device_guid(struct ibv_device* asked) { return asked == &device ? 0x1234 : 0; }

struct ibv_context* ibv_open_device(struct ibv_device* asked) {
  printf("native ibv_open_device %s\n", asked->name);
  must(asked == &device && !opened, "ibv_open_device");
  opened = 1;
  context.async_fd = open_pipe(&event_writer);
  context.ops.poll_cq = poll_cq;
  context.ops.req_notify_cq = req_notify_cq;
  context.ops.post_send = post_send;
  return &context;
}

int ibv_close_device(struct ibv_context* asked) {
  if (asked != &context || !opened) return EINVAL;
  opened = 0;
  close(event_writer);
  return close(context.async_fd);
}

int ibv_query_port(struct ibv_context* asked, uint8_t port, struct _compat_ibv_port_attr* attr) {
  memset(attr, 0, 48);
  return asked == &context && port == 3 ? 0 : EINVAL;
}

int ibv_query_gid(struct ibv_context* asked, uint8_t port, int index, union ibv_gid* gid) {
  memset(gid, 0, sizeof *gid);
  return asked == &context && port == 1 && index <= 1 ? 0 : EINVAL;
}

int ibv_get_async_event(struct ibv_context* asked, struct ibv_async_event* event) {
  must(asked == &context, "ibv_get_async_event");
  return read(context.async_fd, event, sizeof *event) == sizeof *event ? 0 : -1;
}

void ibv_ack_async_event(struct ibv_async_event* event) {
  MINE(event->element.qp);
  puts("native ibv_ack_async_event");
}

// --- objects ---------------------------------------------------------------------------------------------------

struct ibv_pd* ibv_alloc_pd(struct ibv_context* asked) {
  struct ibv_pd* pd = calloc(1, sizeof *pd);
  *pd = (struct ibv_pd){.context = &context, .handle = PD};
  return asked == &context ? pd : NULL;
}

int ibv_dealloc_pd(struct ibv_pd* pd) {
  int mine = pd->context == &context && pd->handle == PD;
  if (mine) free(pd);
  return mine ? 0 : EINVAL;
}

struct ibv_mr* ibv_reg_mr(struct ibv_pd* pd, void* address, size_t length, int access) {
  MINE(pd);
  (void)access;
  struct ibv_mr* mr = calloc(1, sizeof *mr);
  *mr = (struct ibv_mr){.context = &context, .pd = pd, .addr = address, .length = length, .lkey = 1, .rkey = 2};
  return mr;
}

int ibv_dereg_mr(struct ibv_mr* mr) {
  MINE(mr);
  free(mr);
  return 0;
}

struct ibv_comp_channel* ibv_create_comp_channel(struct ibv_context* asked) {
  must(asked == &context, "ibv_create_comp_channel");
  struct mock_channel* channel = calloc(1, sizeof *channel);
  channel->abi.context = &context;
  channel->abi.fd = open_pipe(&channel->writer);
  return &channel->abi;
}

int ibv_destroy_comp_channel(struct ibv_comp_channel* channel) {
  MINE(channel);
  close(channel->fd);
  close(((struct mock_channel*)channel)->writer);
  free(channel);
  return 0;
}

int ibv_get_cq_event(struct ibv_comp_channel* channel, struct ibv_cq** cq, void** cq_context) {
  MINE(channel);
  if (read(channel->fd, cq, sizeof *cq) != sizeof *cq) return -1;
  *cq_context = (*cq)->cq_context;
  return 0;
}

void ibv_ack_cq_events(struct ibv_cq* cq, unsigned count) {
  MINE(cq);
  printf("native ibv_ack_cq_events %u\n", count);
}

struct ibv_cq* ibv_create_cq(struct ibv_context* asked, int cqe, void* own, struct ibv_comp_channel* channel,
                             int vector) {
  must(asked == &context && cqe <= RING && vector == 0, "ibv_create_cq");
  if (channel) MINE(channel);
  struct mock_cq* cq = calloc(1, sizeof *cq);
  cq->abi = (struct ibv_cq){.context = &context, .channel = channel, .cq_context = own, .cqe = RING};
  cq->writer = channel ? ((struct mock_channel*)channel)->writer : -1;
  return &cq->abi;
}

int ibv_destroy_cq(struct ibv_cq* cq) {
  MINE(cq);
  free(cq);
  return 0;
}

struct ibv_qp* ibv_create_qp(struct ibv_pd* pd, struct ibv_qp_init_attr* attr) {
  MINE(pd);
  if (attr->send_cq->context != &context || attr->recv_cq->context != &context) return errno = EINVAL, NULL;
  struct ibv_qp* qp = calloc(1, sizeof *qp);
  *qp = (struct ibv_qp){.context = &context, .pd = pd, .send_cq = attr->send_cq, .recv_cq = attr->recv_cq, .qp_num = 5};
  return qp;
}

/// A queue pair that goes to SQD is drained at once.
int ibv_modify_qp(struct ibv_qp* qp, struct ibv_qp_attr* attr, int mask) {
  MINE(qp);
  if (mask & IBV_QP_STATE) qp->state = attr->qp_state;
  struct ibv_async_event event = {.element.qp = qp, .event_type = IBV_EVENT_SQ_DRAINED};
  if ((mask & IBV_QP_EN_SQD_ASYNC_NOTIFY) && attr->en_sqd_async_notify) {
    must(write(event_writer, &event, sizeof event) == sizeof event, "write");
  }
  return 0;
}

int ibv_destroy_qp(struct ibv_qp* qp) {
  MINE(qp);
  free(qp);
  return 0;
}

// --- what has no object, and what provider libraries bind ----------------------------------------------------------

int ibv_fork_init(void) {
  puts("native ibv_fork_init");
  return 0;
}

void __verbs_log(struct verbs_context* asked, unsigned level, const char* format, ...) {
  (void)asked;
  va_list arguments;
  va_start(arguments, format);
  printf("native log %u: ", level);
  vprintf(format, arguments);
  va_end(arguments);
}

int ibv_cmd_reg_mr(long a, long b, long c, long d, long e, long f, long g, long h) {
  return (int)(a + 10 * b + 100 * c + 1000 * d + 10000 * e + 100000 * f + 1000000 * g + 10000000 * h);
}
