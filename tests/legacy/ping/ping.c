/* SPDX-License-Identifier: BSD-2-Clause */
/* A ping over one connection, with its memory registered in ten ways, one after the other. For each way the client
 * shows memory with a pattern; the server reads it into memory that it registered in the same way, looks at it, and
 * writes it back inverted; the client looks at that, and ends its key. At one API level, which keeps what has vanished.
 */
#include "ping.h"

#include <linux/kthread.h>
#include <linux/wait.h>

static char* role = "both";
module_param(role, charp, 0444);
static char* addr = "127.0.0.1";
module_param(addr, charp, 0444);
static int port = 18515;
module_param(port, int, 0444);

struct message {
  u32 way;
  u32 step;
  u64 addr;
  u32 rkey;
  u32 length;
};
enum { SHOWN, READ_AND_WRITTEN, DATA };

struct party {
  struct ping_side side;
  struct ping_op receive;
  struct message* in; /* DATA follows behind */
  struct message* out;
  struct completion event;
  enum rdma_cm_event_type last;
  int status;
  struct completion gone;
};
static struct party client, server;
static struct rdma_cm_id* listener;
static DECLARE_COMPLETION(asked);
static DECLARE_COMPLETION(served);
static int result;

static void done(struct ib_cq* cq, struct ib_wc* wc) {
  struct ping_op* op = container_of(wc->wr_cqe, struct ping_op, cqe);
  op->status = wc->status;
  op->opcode = wc->opcode;
  complete(&op->done);
}

void ping_op_init(struct ping_op* op) {
  op->cqe.done = done;
  init_completion(&op->done);
}

int ping_op_wait(struct ping_op* op, enum ib_wc_opcode expected) {
  wait_for_completion(&op->done);
  if (op->status == IB_WC_SUCCESS && op->opcode == expected) return 0;
  printk(KERN_ERR "ping: %s, opcode %d where %d was due\n", ib_wc_status_msg(op->status), op->opcode, expected);
  return -EIO;
}

static int arm(struct party* p) {
  struct ib_sge sge = {(unsigned long)p->in, sizeof *p->in + PING_BYTES, p->side.pd->local_dma_lkey};
  struct ib_recv_wr wr = {.wr_cqe = &p->receive.cqe, .sg_list = &sge, .num_sge = 1};
  ping_op_init(&p->receive);
  return ib_post_recv(p->side.qp, &wr, NULL);
}

static int transfer(struct party* p, struct ib_rdma_wr* wr, struct ib_sge* sge, int n, enum ib_wc_opcode expected) {
  struct ping_op op;
  int error;
  ping_op_init(&op);
  wr->wr.wr_cqe = &op.cqe;
  wr->wr.send_flags = IB_SEND_SIGNALED;
  wr->wr.sg_list = sge;
  wr->wr.num_sge = n;
  error = ib_post_send(p->side.qp, &wr->wr, NULL);
  return error ? error : ping_op_wait(&op, expected);
}

/* The receive for the answer is there before the message goes. */
static int tell(struct party* p, const struct ping_key* data) {
  struct ib_rdma_wr wr = {.wr = {.opcode = IB_WR_SEND}};
  struct ib_sge sge[2] = {{(unsigned long)p->out, sizeof *p->out, p->side.pd->local_dma_lkey}, {0, 0, 0}};
  if (data) {
    sge[1].addr = data->addr;
    sge[1].length = PING_BYTES;
    sge[1].lkey = data->lkey;
  }
  return transfer(p, &wr, sge, data ? 2 : 1, IB_WC_SEND);
}

static int hear(struct party* p, u32 way, u32 step) {
  int error = ping_op_wait(&p->receive, IB_WC_RECV);
  if (error) return error;
  if (p->in->way == way && p->in->step == step) return 0;
  printk(KERN_ERR "ping: a message of way %u, step %u where %u, %u was due\n", p->in->way, p->in->step, way, step);
  return -EPROTO;
}

static char pattern(int way, unsigned int i) { return (char)(i * 31 + i / 251 + way * 17 + 1); }

static int check(struct ping_memory* memory, int way, char flip) {
  unsigned int i;
  for (i = 0; i < PING_BYTES; i++) {
    char due = pattern(way, i) ^ flip;
    if (*ping_memory_at(memory, i) == due) continue;
    printk(KERN_ERR "ping: %s: byte %u is %02x, not %02x\n", ping_ways[way].name, i, (u8)*ping_memory_at(memory, i),
           (u8)due);
    return -EILSEQ;
  }
  return 0;
}

static void fill(struct ping_memory* memory, int way, char flip) {
  unsigned int i;
  for (i = 0; i < PING_BYTES; i++) *ping_memory_at(memory, i) = pattern(way, i) ^ flip;
}

static int client_way(struct party* p, int way) {
  const struct ping_way* w = &ping_ways[way];
  struct ping_memory memory;
  struct ping_key key = {0};
  int error = ping_memory_get(&memory, w->scattered);
  if (error) return error;
  fill(&memory, way, 0);
  error = w->open(&p->side, &memory, &key);
  if (!error) error = arm(p);
  p->out->way = way;
  p->out->step = w->by_message ? DATA : SHOWN;
  p->out->addr = key.addr;
  p->out->rkey = key.rkey;
  p->out->length = PING_BYTES;
  if (!error) error = tell(p, w->by_message ? &key : NULL);
  if (!error) error = hear(p, way, w->by_message ? DATA : READ_AND_WRITTEN);
  if (!error && w->by_message) memcpy(memory.stretch, p->in + 1, PING_BYTES);
  if (!error) error = check(&memory, way, -1);
  if (!error) error = w->close(&p->side, &key);
  ping_memory_put(&memory);
  printk(KERN_INFO "ping: %s: %s\n", w->name, error ? "failed" : "ok");
  return error;
}

static int server_moves(struct party* p, struct ping_memory* memory, struct ping_key* key, int way) {
  struct ib_sge sge = {key->addr, PING_BYTES, key->lkey};
  struct ib_rdma_wr wr = {.wr = {.opcode = IB_WR_RDMA_READ}, .remote_addr = p->in->addr, .rkey = p->in->rkey};
  int error = transfer(p, &wr, &sge, 1, IB_WC_RDMA_READ);
  if (!error) error = check(memory, way, 0);
  if (error) return error;
  fill(memory, way, -1);
  wr.wr.opcode = IB_WR_RDMA_WRITE;
  return transfer(p, &wr, &sge, 1, IB_WC_RDMA_WRITE);
}

static int server_way(struct party* p, int way) {
  const struct ping_way* w = &ping_ways[way];
  struct ping_memory memory;
  struct ping_key key = {0};
  int error = ping_memory_get(&memory, w->scattered);
  if (!error) error = w->open(&p->side, &memory, &key);
  if (!error) error = hear(p, way, w->by_message ? DATA : SHOWN);
  if (!error && w->by_message) {
    memcpy(memory.stretch, p->in + 1, PING_BYTES);
    error = check(&memory, way, 0);
    fill(&memory, way, -1);
  } else if (!error) {
    error = server_moves(p, &memory, &key, way);
  }
  p->out->way = way;
  p->out->step = w->by_message ? DATA : READ_AND_WRITTEN;
  if (!error) error = arm(p);
  if (!error) error = tell(p, w->by_message ? &key : NULL);
  if (!error) error = w->close(&p->side, &key);
  ping_memory_put(&memory);
  if (error) printk(KERN_ERR "ping: server: %s: error %d\n", w->name, error);
  return error;
}

static int on_event(struct rdma_cm_id* id, struct rdma_cm_event* event) {
  struct party* p = id->context;
  if (event->event == RDMA_CM_EVENT_CONNECT_REQUEST) {
    if (server.side.id) return -EBUSY; /* one connection: this identifier ends */
    id->context = &server;
    server.side.id = id;
    complete(&asked);
    return 0;
  }
  if (event->event == RDMA_CM_EVENT_DISCONNECTED) {
    complete(&p->gone);
    return 0;
  }
  if (event->event == RDMA_CM_EVENT_TIMEWAIT_EXIT) return 0;
  p->last = event->event;
  p->status = event->status;
  complete(&p->event);
  return 0;
}

static int expect(struct party* p, enum rdma_cm_event_type event) {
  wait_for_completion(&p->event);
  if (p->last == event) return 0;
  printk(KERN_ERR "ping: %s (%d), not %s\n", rdma_event_msg(p->last), p->status, rdma_event_msg(event));
  return -ECONNREFUSED;
}

static int open_side(struct party* p) {
  struct ib_device* device = p->side.id->device;
  struct ib_qp_init_attr init = {.qp_type = IB_QPT_RC, .sq_sig_type = IB_SIGNAL_REQ_WR};
  int error;
  p->side.pd = ib_alloc_pd(device, IB_PD_UNSAFE_GLOBAL_RKEY);
  if (IS_ERR(p->side.pd)) return PTR_ERR(p->side.pd);
  p->side.cq = ib_alloc_cq(device, p, 32, 0, IB_POLL_WORKQUEUE);
  if (IS_ERR(p->side.cq)) return PTR_ERR(p->side.cq);
  init.send_cq = init.recv_cq = p->side.cq;
  init.cap.max_send_wr = init.cap.max_recv_wr = 8;
  init.cap.max_send_sge = init.cap.max_recv_sge = 2;
  error = rdma_create_qp(p->side.id, p->side.pd, &init);
  p->side.qp = p->side.id->qp;
  p->in = kzalloc(sizeof *p->in + PING_BYTES, GFP_KERNEL);
  p->out = kzalloc(sizeof *p->out, GFP_KERNEL);
  return error;
}

static void close_side(struct party* p) {
  rdma_disconnect(p->side.id);
  ib_drain_qp(p->side.qp);
  rdma_destroy_qp(p->side.id);
  ib_free_cq(p->side.cq);
  if (ib_dealloc_pd(p->side.pd)) result = -EBUSY;
  rdma_destroy_id(p->side.id);
  kfree(p->in);
  kfree(p->out);
}

static const struct rdma_conn_param connection = {
    .responder_resources = 4, .initiator_depth = 4, .retry_count = 7, .rnr_retry_count = 7};

static int serve(void* unused) {
  struct rdma_conn_param param = connection;
  int error, way;
  wait_for_completion(&asked);
  error = open_side(&server);
  if (!error) error = arm(&server);
  if (!error) error = rdma_accept(server.side.id, &param);
  if (!error) error = expect(&server, RDMA_CM_EVENT_ESTABLISHED);
  for (way = 0; !error && way < ping_way_count; way++) error = server_way(&server, way);
  if (!error) wait_for_completion(&server.gone);
  if (error) result = error;
  close_side(&server);
  complete(&served);
  return error;
}

static int run_client(void) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  struct rdma_conn_param param = connection;
  int error, way;
  to.sin_addr.s_addr = in_aton(addr);
  client.side.id = rdma_create_id(&init_net, on_event, &client, RDMA_PS_TCP, IB_QPT_RC);
  if (IS_ERR(client.side.id)) return PTR_ERR(client.side.id);
  error = rdma_resolve_addr(client.side.id, NULL, (struct sockaddr*)&to, 2000);
  if (!error) error = expect(&client, RDMA_CM_EVENT_ADDR_RESOLVED);
  if (!error) error = rdma_resolve_route(client.side.id, 2000);
  if (!error) error = expect(&client, RDMA_CM_EVENT_ROUTE_RESOLVED);
  if (!error) error = open_side(&client);
  if (error) return error;
  error = rdma_connect(client.side.id, &param);
  if (!error) error = expect(&client, RDMA_CM_EVENT_ESTABLISHED);
  for (way = 0; !error && way < ping_way_count; way++) error = client_way(&client, way);
  close_side(&client);
  return error;
}

static int start_server(void) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
  int error;
  at.sin_addr.s_addr = in_aton(addr);
  listener = rdma_create_id(&init_net, on_event, &server, RDMA_PS_TCP, IB_QPT_RC);
  if (IS_ERR(listener)) return PTR_ERR(listener);
  error = rdma_bind_addr(listener, (struct sockaddr*)&at);
  if (!error) error = rdma_listen(listener, 4);
  if (!error) printk(KERN_INFO "ping: listening\n");
  return error;
}

static int __init ping_init(void) {
  bool serves = strcmp(role, "client") != 0, asks = strcmp(role, "server") != 0;
  struct task_struct* task = NULL;
  int error = 0;
  init_completion(&client.event);
  init_completion(&server.event);
  init_completion(&client.gone);
  init_completion(&server.gone);
  if (serves) error = start_server();
  if (!error && serves) task = kthread_create(serve, NULL, "ping-server");
  if (IS_ERR(task)) error = PTR_ERR(task);
  if (!error && task) wake_up_process(task);
  if (!error && asks) error = run_client();
  if (task && !error) {
    wait_for_completion(&served);
    error = kthread_stop(task);
  }
  if (listener && !IS_ERR(listener)) rdma_destroy_id(listener);
  if (!error) error = result;
  printk(KERN_INFO "ping: %s\n", error ? "failed" : "all ways are well");
  return error;
}

static void __exit ping_exit(void) {}

module_init(ping_init);
module_exit(ping_exit);
MODULE_LICENSE("Dual BSD/GPL");
