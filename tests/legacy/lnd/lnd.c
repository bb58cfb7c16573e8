/* SPDX-License-Identifier: BSD-2-Clause */
/* The module: parameters, operations, commands. */
#include "lnd.h"

int lnd_nid;
module_param_named(nid, lnd_nid, int, 0444);
int lnd_timeout = 20;
module_param_named(timeout, lnd_timeout, int, 0444);
static int ports[LND_NODES];
static int nodes;
module_param_array(ports, int, &nodes, 0444);

DEFINE_SPINLOCK(lnd_lock);
struct lnd_peer lnd_peers[LND_NODES];
LIST_HEAD(lnd_conns);
DECLARE_WAIT_QUEUE_HEAD(lnd_sched_wait);
u64 lnd_incarnation;
static struct rdma_cm_id* listener;
static struct task_struct *sched_task, *connd_task;
#define ENTRY "lnd"

int lnd_address(struct sockaddr_in* address, int nid) {
  if (nid < 0 || nid >= nodes) return -EHOSTUNREACH;
  memset(address, 0, sizeof *address);
  address->sin_family = AF_INET;
  address->sin_port = htons(ports[nid]);
  address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return 0;
}

static u8 byte_of(u32 length, u32 i) { return (u8)((lnd_nid * 7919u + length) + i * 13); }

/* One operation, waited for. */
static int operate(int nid, enum lnd_type type, u32 length, unsigned long timeout) {
  struct lnd_tx* tx = lnd_new_tx(type, nid);
  struct lnd_peer* peer = &lnd_peers[nid];
  int status;
  u32 i;
  if (!tx) return -ENOMEM;
  tx->operation = true;
  tx->deadline = jiffies + timeout;
  tx->msg->cookie = (unsigned long)tx;
  tx->msg->length = length;
  for (i = 0; type == LND_IMMEDIATE && i < length; i++) tx->msg->data[i] = byte_of(length, i);
  if (type == LND_GET_REQ) tx->bulk = lnd_new_bulk(length);
  spin_lock(&lnd_lock);
  if (peer->conn && peer->conn->state == LND_UP) {
    lnd_queue(peer->conn, tx);
  } else {
    list_add_tail(&tx->entry, &peer->pending);
  }
  spin_unlock(&lnd_lock);
  lnd_wake_connd();
  wait_for_completion(&tx->done);
  status = tx->status;
  lnd_free_bulk(tx->bulk);
  lnd_free_tx(tx);
  return status;
}

static int ping(int nid, int count) {
  static const enum lnd_type types[] = {LND_IMMEDIATE, LND_PUT_REQ, LND_GET_REQ};
  int i, k;
  for (i = 0; i < count; i++) {
    for (k = 0; k < 3; k++) {
      u32 length = types[k] == LND_IMMEDIATE ? 1 + i * 37 % LND_SMALL : 1 + i * 7919u % LND_BULK;
      int error = operate(nid, types[k], length, LND_TIMEOUT);
      if (error) {
        printk(KERN_INFO "lnd %d: operation %d of %u bytes with %d: error %d\n", lnd_nid, types[k], length, nid, error);
        return error;
      }
    }
  }
  return 0;
}

struct pinger {
  int nid, count, error;
  struct completion done;
};

static int run_pinger(void* data) {
  struct pinger* p = data;
  p->error = ping(p->nid, p->count);
  complete(&p->done);
  while (!kthread_should_stop()) schedule_timeout_interruptible(HZ);
  return 0;
}

/* To all others at the same time. */
static int traffic(int count) {
  struct pinger pingers[LND_NODES];
  struct task_struct* tasks[LND_NODES];
  int n, error = 0;
  for (n = 0; n < nodes; n++) {
    if (n == lnd_nid) continue;
    pingers[n].nid = n;
    pingers[n].count = count;
    init_completion(&pingers[n].done);
    tasks[n] = kthread_run(run_pinger, &pingers[n], "lnd-ping-%d", n);
  }
  for (n = 0; n < nodes; n++) {
    if (n == lnd_nid) continue;
    wait_for_completion(&pingers[n].done);
    kthread_stop(tasks[n]);
    if (pingers[n].error) error = pingers[n].error;
  }
  printk(KERN_INFO "lnd %d: traffic %s\n", lnd_nid, error ? "failed" : "is well");
  return error;
}

/* An operation that nobody can answer fails, and within its time. */
static int dead(int nid) {
  unsigned long start = jiffies;
  int error = operate(nid, LND_IMMEDIATE, 10, LND_PATIENCE);
  if (error == -ECONNRESET) error = operate(nid, LND_IMMEDIATE, 10, LND_PATIENCE); /* that was the old connection */
  if (!error || time_after(jiffies, start + LND_TIMEOUT)) return -EINVAL;
  printk(KERN_INFO "lnd %d: %d is dead\n", lnd_nid, nid);
  return 0;
}

static bool is_node(int nid) { return nid >= 0 && nid < nodes && nid != lnd_nid; }

static int command(const char* buffer, unsigned long length) {
  char text[64];
  int a, b;
  if (length >= sizeof text) return -EINVAL;
  if (copy_from_user(text, buffer, length)) return -EFAULT;
  text[length] = 0;
  if (sscanf(text, "traffic %d", &a) == 1) return traffic(a);
  if (sscanf(text, "ping %d %d", &a, &b) == 2 && is_node(a)) {
    int error = ping(a, b);
    if (!error) printk(KERN_INFO "lnd %d: %d answers\n", lnd_nid, a);
    return error;
  }
  if (sscanf(text, "silence %d %d", &a, &b) == 2 && is_node(a)) {
    lnd_peers[a].silence = b;
    return 0;
  }
  if (sscanf(text, "dead %d", &a) == 1 && is_node(a)) return dead(a);
  return -EINVAL;
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(3, 10, 0)
static int write_proc(struct file* file, const char __user* buffer, unsigned long length, void* data) {
  int error = command(buffer, length);
  return error ? error : (int)length;
}
static int make_entry(void) {
  struct proc_dir_entry* entry = create_proc_entry(ENTRY, 0644, NULL);
  if (!entry) return -ENOMEM;
  entry->write_proc = write_proc;
  return 0;
}
#else
static ssize_t write_entry(struct file* file, const char __user* buffer, size_t length, loff_t* at) {
  int error = command(buffer, length);
  return error ? error : (ssize_t)length;
}
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 6, 0)
static const struct file_operations ops = {.owner = THIS_MODULE, .write = write_entry};
#else
static const struct proc_ops ops = {.proc_write = write_entry};
#endif
static int make_entry(void) { return proc_create(ENTRY, 0644, NULL, &ops) ? 0 : -ENOMEM; }
#endif

static int __init lnd_init(void) {
  struct sockaddr_in address;
  int i, error;
  if (lnd_address(&address, lnd_nid)) return -EINVAL;
  for (i = 0; i < LND_NODES; i++) INIT_LIST_HEAD(&lnd_peers[i].pending);
  get_random_bytes(&lnd_incarnation, sizeof lnd_incarnation);
  listener = lnd_new_id(NULL);
  if (IS_ERR(listener)) return PTR_ERR(listener);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(3, 10, 0)
  rdma_set_reuseaddr(listener, 1);
#endif
  error = rdma_bind_addr(listener, (struct sockaddr*)&address);
  if (!error) error = rdma_listen(listener, LND_NODES);
  if (!error) error = make_entry();
  if (error) {
    rdma_destroy_id(listener);
    return error;
  }
  sched_task = kthread_run(lnd_sched, NULL, "lnd-sched");
  connd_task = kthread_run(lnd_connd, NULL, "lnd-connd");
  printk(KERN_INFO "lnd %d: up (%s)\n", lnd_nid, LND_ERA);
  return 0;
}

static void __exit lnd_exit(void) {
  struct lnd_conn* conn;
  remove_proc_entry(ENTRY, NULL);
  rdma_destroy_id(listener);
  spin_lock(&lnd_lock);
  list_for_each_entry(conn, &lnd_conns, entry) lnd_close(conn);
  spin_unlock(&lnd_lock);
  kthread_stop(connd_task);
  kthread_stop(sched_task);
  printk(KERN_INFO "lnd %d: down\n", lnd_nid);
}

module_init(lnd_init);
module_exit(lnd_exit);
MODULE_LICENSE("Dual BSD/GPL");
