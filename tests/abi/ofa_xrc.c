// SPDX-License-Identifier: BSD-2-Clause
// A program of OFED's time: XRC by domains and receiving QPs that have only a number. Exits with 0 when all was right.
#include <errno.h>
#include <fcntl.h>
#include <infiniband/ofa_verbs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) {                                                         \
      fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #condition, errno); \
      exit(1);                                                                  \
    }                                                                           \
  } while (0)

enum { SIZE = 64, INIT_MASK = IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS };
enum {
  RTR_MASK = IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
             IBV_QP_MIN_RNR_TIMER
};
enum {
  RTS_MASK =
      IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC
};

static struct ibv_context* context;
static struct ibv_pd* pd;
static struct ibv_mr* mr;
static struct ibv_cq *send_cq, *xrc_cq;
static struct ibv_xrc_domain *domain, *again;
static int file, other;  // the domain's file; another process that has it
static struct ibv_srq* srq;
static struct ibv_qp* sender;
static uint32_t receiver;
static char memory[2 * SIZE];

// --- the other process: it registers with a receiver when it is told its number, and leaves when it is told 0
// ----------

/// Who is registered with a receiver modifies and queries it, whoever has made it.
static void use(uint32_t number, bool registered) {
  struct ibv_qp_attr attr;
  struct ibv_qp_init_attr made;
  CHECK(ibv_query_xrc_rcv_qp(domain, number, &attr, IBV_QP_STATE, &made) == (registered ? 0 : EINVAL));
  if (!registered) return;
  struct ibv_qp_attr rts = {.qp_state = IBV_QPS_RTS, .timeout = 14, .min_rnr_timer = 7};
  int mask = IBV_QP_MIN_RNR_TIMER | (attr.qp_state == IBV_QPS_RTR ? RTS_MASK : IBV_QP_STATE);
  CHECK(ibv_modify_xrc_rcv_qp(domain, number, &rts, mask) == 0);
  CHECK(ibv_query_xrc_rcv_qp(domain, number, &attr, IBV_QP_STATE, &made) == 0);
  CHECK(attr.qp_state == IBV_QPS_RTS && attr.min_rnr_timer == 7 && made.qp_type == IBV_QPT_XRC_RECV);
}

static void serve(int orders) {
  struct ibv_device** list = ibv_get_device_list(NULL);
  CHECK(list && list[0] && (context = ibv_open_device(list[0])));
  CHECK((domain = ibv_open_xrc_domain(context, file, O_CREAT)));
  uint32_t number, registered = 0;
  while (read(orders, &number, sizeof number) == sizeof number) {
    int error = number ? ibv_reg_xrc_rcv_qp(domain, number) : ibv_unreg_xrc_rcv_qp(domain, registered);
    use(number ? number : registered, number && error == 0);
    if (error == 0) registered = number;
    CHECK(write(orders, &error, sizeof error) == sizeof error);
  }
  CHECK(ibv_close_xrc_domain(domain) == 0 && ibv_close_device(context) == 0);
  exit(0);
}

static void start_the_other(void) {
  int ends[2];
  CHECK((file = memfd_create("domain", MFD_CLOEXEC)) >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  pid_t child = fork();
  CHECK(child >= 0);
  other = ends[0];
  if (child > 0) {
    close(ends[1]);
    return;
  }
  close(ends[0]);
  serve(ends[1]);
}

static int tell_the_other(uint32_t number) {
  int error = -1;
  CHECK(write(other, &number, sizeof number) == sizeof number && read(other, &error, sizeof error) == sizeof error);
  return error;
}

static void open_all(void) {
  struct ibv_device** list = ibv_get_device_list(NULL);
  CHECK(list && list[0] && (context = ibv_open_device(list[0])));
  ibv_free_device_list(list);
  CHECK((pd = ibv_alloc_pd(context)));
  CHECK((mr = ibv_reg_mr(pd, memory, sizeof memory, IBV_ACCESS_LOCAL_WRITE)));
  CHECK((send_cq = ibv_create_cq(context, 16, NULL, NULL, 0)) && (xrc_cq = ibv_create_cq(context, 16, NULL, NULL, 0)));
  CHECK((domain = ibv_open_xrc_domain(context, file, O_CREAT)) && domain->context == context);
  CHECK((again = ibv_open_xrc_domain(context, file, 0)) && again != domain);
}

static void make_srq(void) {
  struct ibv_srq_init_attr attr = {.srq_context = &srq, .attr = {.max_wr = 8, .max_sge = 1}};
  CHECK((srq = ibv_create_xrc_srq(pd, domain, xrc_cq, &attr)) && srq->srq_context == &srq && attr.attr.max_wr >= 8);
  // Where programs read xrc_srq_num that were built with the headers of OFED 1.5 and of MLNX_OFED; and the former
  // xrc_domain and xrc_cq.
  uint32_t of_ofed, of_mlnx;
  memcpy(&of_ofed, (char*)srq + 124, sizeof of_ofed);
  memcpy(&of_mlnx, (char*)srq + 152, sizeof of_mlnx);
  CHECK(of_ofed != 0 && of_ofed == ibv_xrc_srq_num(srq) && of_mlnx == of_ofed);
  CHECK(memcmp((char*)srq + 128, &domain, sizeof domain) == 0 && memcmp((char*)srq + 136, &xrc_cq, sizeof xrc_cq) == 0);
  CHECK(ibv_close_xrc_domain(domain) == EBUSY);
}

static void make_queue_pairs(void) {
  struct ibv_xrc_qp_init_attr attr = {.xrc_domain = domain};
  attr.attr.send_cq = attr.attr.recv_cq = send_cq;
  attr.attr.qp_type = IBV_QPT_XRC;
  attr.attr.sq_sig_all = 1;
  attr.attr.cap = (struct ibv_qp_cap){.max_send_wr = 8, .max_send_sge = 1};
  CHECK((sender = ibv_create_qp(pd, &attr.attr)) && attr.attr.qp_type == IBV_QPT_XRC);
  CHECK(ibv_create_xrc_rcv_qp(&attr.attr, &receiver) == 0 && receiver != 0);
}

static struct ibv_qp_attr rtr_towards(uint32_t qpn) {
  struct ibv_qp_attr attr = {.qp_state = IBV_QPS_RTR, .path_mtu = IBV_MTU_1024, .dest_qp_num = qpn};
  attr.ah_attr = (struct ibv_ah_attr){.is_global = 1, .port_num = 1, .grh.sgid_index = 1};
  CHECK(ibv_query_gid(context, 1, 1, &attr.ah_attr.grh.dgid) == 0);
  return attr;
}

static void connect_them(void) {
  struct ibv_qp_attr init = {.qp_state = IBV_QPS_INIT, .port_num = 1};
  struct ibv_qp_attr rts = {.qp_state = IBV_QPS_RTS, .timeout = 14, .retry_cnt = 6, .rnr_retry = 6};
  struct ibv_qp_attr to_sender = rtr_towards(sender->qp_num), to_receiver = rtr_towards(receiver);
  CHECK(ibv_modify_xrc_rcv_qp(domain, receiver, &init, INIT_MASK) == 0);
  CHECK(ibv_modify_xrc_rcv_qp(domain, receiver, &to_sender, RTR_MASK) == 0);
  CHECK(ibv_modify_qp(sender, &init, INIT_MASK) == 0 && ibv_modify_qp(sender, &to_receiver, RTR_MASK) == 0);
  CHECK(ibv_modify_qp(sender, &rts, RTS_MASK) == 0);
  struct ibv_qp_attr now;
  struct ibv_qp_init_attr made;
  CHECK(ibv_query_xrc_rcv_qp(domain, receiver, &now, IBV_QP_STATE | IBV_QP_DEST_QPN, &made) == 0);
  CHECK(now.qp_state == IBV_QPS_RTR && now.dest_qp_num == sender->qp_num);
}

static struct ibv_wc wait_for(struct ibv_cq* cq) {
  struct ibv_wc wc;
  int got;
  while ((got = ibv_poll_cq(cq, 1, &wc)) == 0) {
  }
  CHECK(got == 1 && wc.status == IBV_WC_SUCCESS);
  return wc;
}

static void send_one(char content) {
  struct ibv_sge to = {(uintptr_t)memory + SIZE, SIZE, mr->lkey}, from = {(uintptr_t)memory, SIZE, mr->lkey};
  struct ibv_recv_wr receive = {.wr_id = 2, .sg_list = &to, .num_sge = 1}, *bad_receive;
  struct ibv_send_wr send = {.wr_id = 1, .sg_list = &from, .num_sge = 1, .opcode = IBV_WR_SEND}, *bad_send;
  send.qp_type.xrc.remote_srqn = ibv_xrc_srq_num(srq);
  memset(memory, content, SIZE);
  CHECK(ibv_post_srq_recv(srq, &receive, &bad_receive) == 0 && ibv_post_send(sender, &send, &bad_send) == 0);
  CHECK(wait_for(send_cq).wr_id == 1);
  struct ibv_wc wc = wait_for(xrc_cq);
  CHECK(wc.wr_id == 2 && wc.byte_len == SIZE && memory[SIZE] == content && memory[2 * SIZE - 1] == content);
}

/// The first message reached a QP in RTR: the event names it by number.
static void see_the_event(void) {
  struct ibv_async_event event;
  CHECK(ibv_get_async_event(context, &event) == 0);
  CHECK((unsigned)event.event_type == (IBV_EVENT_COMM_EST | IBV_XRC_QP_EVENT_FLAG));
  CHECK((uint32_t)event.element.port_num == receiver);
  ibv_ack_async_event(&event);
}

/// It lives until the last one who registered has gone. Who has opened the file's domain once more is one of them.
static void register_and_leave(void) {
  struct ibv_xrc_domain* other = ibv_open_xrc_domain(context, -1, O_CREAT);
  CHECK(other && ibv_reg_xrc_rcv_qp(other, receiver) == EINVAL && ibv_close_xrc_domain(other) == 0);
  CHECK(ibv_reg_xrc_rcv_qp(again, receiver) == 0 && ibv_unreg_xrc_rcv_qp(domain, receiver) == 0);
  struct ibv_qp_attr now;
  struct ibv_qp_init_attr made;
  CHECK(ibv_query_xrc_rcv_qp(again, receiver, &now, IBV_QP_STATE, &made) == 0 && now.qp_state == IBV_QPS_RTR);
  send_one('b');
  CHECK(ibv_reg_xrc_rcv_qp(domain, receiver + 1) == EINVAL && tell_the_other(receiver + 1) == EINVAL);
  CHECK(tell_the_other(receiver) == 0 && ibv_unreg_xrc_rcv_qp(domain, receiver) == 0);
  send_one('c');  // the other process keeps it
  CHECK(ibv_reg_xrc_rcv_qp(domain, receiver) == 0 && tell_the_other(0) == 0);
  CHECK(ibv_query_xrc_rcv_qp(domain, receiver, &now, IBV_QP_MIN_RNR_TIMER, &made) == 0 && now.min_rnr_timer == 7);
  send_one('d');
  CHECK(tell_the_other(receiver) == 0 && ibv_unreg_xrc_rcv_qp(domain, receiver) == 0 && tell_the_other(0) == 0);
  CHECK(ibv_reg_xrc_rcv_qp(domain, receiver) == EINVAL && ibv_unreg_xrc_rcv_qp(domain, receiver) == EINVAL);
  CHECK(tell_the_other(receiver) == EINVAL);
}

int main(void) {
  start_the_other();
  open_all();
  make_srq();
  make_queue_pairs();
  connect_them();
  send_one('a');
  see_the_event();
  register_and_leave();
  CHECK(ibv_destroy_qp(sender) == 0 && ibv_destroy_srq(srq) == 0 && ibv_close_xrc_domain(domain) == 0);
  CHECK(ibv_close_xrc_domain(again) == 0);
  CHECK(ibv_destroy_cq(send_cq) == 0 && ibv_destroy_cq(xrc_cq) == 0 && ibv_dereg_mr(mr) == 0);
  CHECK(ibv_dealloc_pd(pd) == 0 && ibv_close_device(context) == 0);
  close(other);
  int status = -1;
  CHECK(wait(&status) > 0 && status == 0);
  puts("all right");
  return 0;
}
