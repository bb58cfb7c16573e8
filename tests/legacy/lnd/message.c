/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages: queued, sent as credits allow, received and answered. */
#include "lnd.h"

struct lnd_tx* lnd_new_tx(enum lnd_type type, u32 to) {
  struct lnd_tx* tx = kzalloc(sizeof *tx, GFP_KERNEL);
  if (!tx) return NULL;
  tx->msg = kzalloc(sizeof *tx->msg, GFP_KERNEL);
  if (!tx->msg) {
    kfree(tx);
    return NULL;
  }
  init_completion(&tx->done);
  tx->deadline = jiffies + LND_TIMEOUT;
  tx->msg->magic = LND_MAGIC;
  tx->msg->type = type;
  tx->msg->from = lnd_nid;
  tx->msg->to = to;
  return tx;
}

void lnd_free_tx(struct lnd_tx* tx) {
  kfree(tx->msg);
  kfree(tx);
}

/* Out of all lists already, or out of its own by this. Whoever waits for an operation frees it. */
void lnd_end_tx(struct lnd_tx* tx, int status) {
  list_del_init(&tx->entry);
  if (tx->operation) {
    tx->status = status;
    complete(&tx->done);
    return;
  }
  lnd_free_bulk(tx->bulk);
  lnd_free_tx(tx);
}

/* The last credit is for giving credits back: without it both ends could wait for each other. */
static bool may_send(const struct lnd_conn* conn) {
  return conn->credits > 1 || (conn->credits == 1 && conn->owed > 0);
}

static int prepare(struct lnd_conn* conn, struct lnd_tx* tx) {
  enum lnd_type type = tx->msg->type;
  int error = 0;
  u32 n = 0;
  if (tx->sinks) return lnd_post_writes(conn, tx);
  /* The key is made on the connection that the message takes. */
  if (type == LND_GET_REQ || type == LND_PUT_ACK) error = lnd_map(conn, tx->bulk, tx->msg->frag, &n);
  tx->msg->frags = n;
  return error;
}

void lnd_push(struct lnd_conn* conn) {
  while (conn->state == LND_UP && !list_empty(&conn->queue)) {
    struct lnd_tx* tx = list_entry(conn->queue.next, struct lnd_tx, entry);
    int error;
    if (!may_send(conn)) return;
    error = prepare(conn, tx);
    if (error == -EAGAIN) return; /* no key is free; one will be when an operation ends */
    tx->msg->credits = conn->owed;
    list_del_init(&tx->entry);
    if (tx->operation || tx->msg->type == LND_PUT_ACK) list_add_tail(&tx->entry, &conn->waiting);
    if (!error) error = lnd_post_message(conn, tx);
    if (error) {
      printk(KERN_ERR "lnd %d: cannot send: %d\n", lnd_nid, error);
      lnd_end_tx(tx, error);
      lnd_close(conn);
      return;
    }
    conn->owed = 0;
    conn->credits--;
    conn->last_sent = jiffies;
  }
}

void lnd_queue(struct lnd_conn* conn, struct lnd_tx* tx) {
  list_add_tail(&tx->entry, &conn->queue);
  lnd_push(conn);
}

static void give_credits_back(struct lnd_conn* conn) {
  struct lnd_tx* tx;
  if (conn->state != LND_UP || conn->owed < LND_DEPTH / 2 || !list_empty(&conn->queue)) return;
  tx = lnd_new_tx(LND_NOOP, conn->peer - lnd_peers);
  if (tx) lnd_queue(conn, tx);
}

static struct lnd_tx* waiting_for(struct lnd_conn* conn, u64 cookie) {
  struct lnd_tx* tx;
  list_for_each_entry(tx, &conn->waiting, entry) if ((unsigned long)tx == cookie) return tx;
  return NULL;
}

/* An operation, or a sink that was shown, ends when its message has been sent and its answer is there. */
static void settle(struct lnd_conn* conn, struct lnd_tx* tx) {
  if (!tx->sent || !tx->answered) return;
  if (tx->bulk) lnd_unmap(conn, tx->bulk);
  lnd_end_tx(tx, tx->status);
}

static void answer(struct lnd_conn* conn, struct lnd_msg* msg, int status) {
  struct lnd_tx* tx = lnd_new_tx(LND_DONE, msg->from);
  if (!tx) return lnd_close(conn);
  tx->msg->cookie = msg->cookie;
  tx->msg->status = status;
  lnd_queue(conn, tx);
}

static u64 seed(u32 initiator, u32 length) { return initiator * 7919u + length; }

static void immediate(struct lnd_conn* conn, struct lnd_msg* msg) {
  u32 i;
  int status = msg->length > LND_SMALL ? -EPROTO : 0;
  for (i = 0; !status && i < msg->length; i++)
    if (msg->data[i] != (u8)(seed(msg->from, msg->length) + i * 13)) status = -EILSEQ;
  answer(conn, msg, status);
}

/* The target of a PUT shows where the data goes. */
static void put_request(struct lnd_conn* conn, struct lnd_msg* msg) {
  struct lnd_tx* tx = msg->length && msg->length <= LND_BULK ? lnd_new_tx(LND_PUT_ACK, msg->from) : NULL;
  if (!tx) return answer(conn, msg, -EPROTO);
  tx->bulk = lnd_new_bulk(msg->length);
  if (!tx->bulk) {
    lnd_free_tx(tx);
    return answer(conn, msg, -ENOMEM);
  }
  lnd_fill(tx->bulk, ~0);
  tx->msg->cookie = msg->cookie;
  tx->msg->other = (unsigned long)tx;
  lnd_queue(conn, tx);
}

/* WRITEs, and the message behind them. What the peer shows is looked at, not trusted. */
static void write_to(struct lnd_conn* conn, struct lnd_tx* tx, const struct lnd_msg* msg) {
  u32 i;
  tx->sinks = min(msg->frags, (u32)LND_PAGES);
  for (i = 0; i < tx->sinks; i++) tx->sink[i] = msg->frag[i];
  tx->msg->cookie = msg->cookie;
  tx->msg->other = msg->other;
  lnd_queue(conn, tx);
}

/* The data of a PUT belongs to its operation; the message that follows has a copy to itself. */
static void put_ack(struct lnd_conn* conn, struct lnd_msg* msg) {
  struct lnd_tx *operation = waiting_for(conn, msg->cookie), *tx;
  if (!operation || operation->msg->type != LND_PUT_REQ) return lnd_close(conn);
  tx = lnd_new_tx(LND_PUT_DONE, msg->from);
  if (!tx) return lnd_close(conn);
  tx->bulk = lnd_new_bulk(operation->msg->length);
  if (tx->bulk) lnd_fill(tx->bulk, seed(lnd_nid, operation->msg->length));
  if (tx->bulk) return write_to(conn, tx, msg);
  lnd_free_tx(tx);
  lnd_close(conn);
}

static void put_done(struct lnd_conn* conn, struct lnd_msg* msg) {
  struct lnd_tx* sink = waiting_for(conn, msg->other);
  if (!sink || sink->msg->type != LND_PUT_ACK) return lnd_close(conn);
  answer(conn, msg, lnd_check(sink->bulk, seed(msg->from, sink->bulk->length)));
  sink->answered = true;
  settle(conn, sink);
}

static void get_request(struct lnd_conn* conn, struct lnd_msg* msg) {
  struct lnd_tx* tx = msg->length && msg->length <= LND_BULK ? lnd_new_tx(LND_DONE, msg->from) : NULL;
  if (!tx) return answer(conn, msg, -EPROTO);
  tx->bulk = lnd_new_bulk(msg->length);
  if (!tx->bulk) {
    lnd_free_tx(tx);
    return answer(conn, msg, -ENOMEM);
  }
  lnd_fill(tx->bulk, seed(lnd_nid, msg->length));
  write_to(conn, tx, msg);
}

static void done(struct lnd_conn* conn, struct lnd_msg* msg) {
  struct lnd_tx* tx = waiting_for(conn, msg->cookie);
  if (!tx || !tx->operation) return lnd_close(conn);
  tx->status = msg->status;
  if (!tx->status && tx->msg->type == LND_GET_REQ) tx->status = lnd_check(tx->bulk, seed(msg->from, tx->msg->length));
  tx->answered = true;
  settle(conn, tx);
}

static void receive(struct lnd_conn* conn, struct lnd_msg* msg) {
  if (msg->magic != LND_MAGIC || msg->from != (u32)(conn->peer - lnd_peers) || msg->to != (u32)lnd_nid) {
    printk(KERN_ERR "lnd %d: a message that is none\n", lnd_nid);
    return lnd_close(conn);
  }
  conn->credits += msg->credits;
  if (conn->credits > LND_DEPTH) return lnd_close(conn);
  conn->last_heard = jiffies;
  conn->noops = msg->type == LND_NOOP ? conn->noops + 1 : 0;
  switch (msg->type) {
    case LND_NOOP:
      if (conn->noops == 3) printk(KERN_INFO "lnd %d: %d keeps alive\n", lnd_nid, (int)(conn->peer - lnd_peers));
      break;
    case LND_IMMEDIATE: immediate(conn, msg); break;
    case LND_PUT_REQ: put_request(conn, msg); break;
    case LND_PUT_ACK: put_ack(conn, msg); break;
    case LND_PUT_DONE: put_done(conn, msg); break;
    case LND_GET_REQ: get_request(conn, msg); break;
    case LND_DONE: done(conn, msg); break;
    default: lnd_close(conn);
  }
}

static bool is_receive(struct lnd_conn* conn, u64 wr_id) {
  return wr_id >= (unsigned long)&conn->rx[0] && wr_id < (unsigned long)&conn->rx[LND_DEPTH];
}

static void completed(struct lnd_conn* conn, struct ib_wc* wc) {
  bool good = wc->status == IB_WC_SUCCESS;
  if (!good && wc->status != IB_WC_WR_FLUSH_ERR && conn->state == LND_UP)
    printk(KERN_INFO "lnd %d: peer %d: completion status %d\n", lnd_nid, (int)(conn->peer - lnd_peers), wc->status);
  if (!good) lnd_close(conn);
  if (is_receive(conn, wc->wr_id)) {
    struct lnd_rx* rx = (struct lnd_rx*)(unsigned long)wc->wr_id;
    conn->receives--;
    if (!good || conn->state != LND_UP) return;
    receive(conn, rx->msg);
    if (conn->state == LND_UP && lnd_post_receive(conn, rx) == 0) conn->owed++;
    return;
  }
  if (wc->wr_id) {
    struct lnd_tx* tx = (struct lnd_tx*)(unsigned long)wc->wr_id;
    bool waits = tx->operation || tx->msg->type == LND_PUT_ACK;
    conn->sends--;
    tx->sent = true;
    if (conn->state == LND_CLOSING && waits) tx->answered = true;
    if (waits) {
      if (conn->state == LND_CLOSING) tx->status = -ECONNRESET;
      settle(conn, tx);
    } else {
      lnd_end_tx(tx, 0);
    }
  }
}

static void serve(struct lnd_conn* conn) {
  struct ib_wc wc;
  conn->ready = false;
  ib_req_notify_cq(conn->cq, IB_CQ_NEXT_COMP);
  while (ib_poll_cq(conn->cq, 1, &wc) > 0) completed(conn, &wc);
  lnd_push(conn);
  give_credits_back(conn);
  if (conn->state == LND_CLOSING && !conn->receives && !conn->sends) lnd_wake_connd();
}

static struct lnd_conn* next_ready(void) {
  struct lnd_conn* conn;
  list_for_each_entry(conn, &lnd_conns,
                      entry) if (conn->ready && conn->cq && conn->state != LND_CONNECTING) return conn;
  return NULL;
}

static bool any_ready(void) {
  struct lnd_conn* conn;
  spin_lock(&lnd_lock);
  conn = next_ready();
  spin_unlock(&lnd_lock);
  return conn != NULL;
}

int lnd_sched(void* unused) {
  while (!kthread_should_stop()) {
    struct lnd_conn* conn;
    wait_event_interruptible(lnd_sched_wait, any_ready() || kthread_should_stop());
    spin_lock(&lnd_lock);
    while ((conn = next_ready())) serve(conn);
    spin_unlock(&lnd_lock);
  }
  return 0;
}
