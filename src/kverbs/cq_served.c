/* SPDX-License-Identifier: BSD-2-Clause */
/* CQs whose completions each find their own function (ib_alloc_cq), and draining, which uses that. */
#include "kverbs.h"

enum { kBatch = 16, kBudget = 256 };

static int serve(struct kv_cq* cq, int budget) {
  struct ib_wc wc[kBatch];
  int done = 0, n;
  while (done < budget && (n = ib_poll_cq(&cq->ib, min(budget - done, (int)kBatch), wc)) > 0) {
    for (int i = 0; i < n; i++) {
      if (wc[i].wr_cqe) wc[i].wr_cqe->done(&cq->ib, &wc[i]);
    }
    done += n;
  }
  return done;
}

static bool dying(struct kv_cq* cq) { return __atomic_load_n(&cq->dying, __ATOMIC_SEQ_CST); }

static void serve_all(struct kv_cq* cq) {
  do {
    while (serve(cq, kBudget) == kBudget) sched_yield();
  } while (!dying(cq) && ib_req_notify_cq(&cq->ib, IB_CQ_NEXT_COMP | IB_CQ_REPORT_MISSED_EVENTS) > 0);
}

static void serve_work(struct work_struct* work) { serve_all(container_of(work, struct kv_cq, work)); }

void kv_completion(struct kv_cq* cq) {
  if (!cq->served) {
    cq->ib.comp_handler(&cq->ib, cq->ib.cq_context);
  } else if (dying(cq)) {
    return;
  } else if (cq->where == IB_POLL_SOFTIRQ) {
    serve_all(cq);
  } else {
    queue_work(kv_library_wq(), &cq->work); /* functions that sleep must not hold up other CQs of the vector */
  }
}

static void never_called(struct ib_cq* cq, void* context) {
  (void)cq;
  (void)context;
}

struct ib_cq* ib_alloc_cq(struct ib_device* device, void* context, int cqe, int vector, enum ib_poll_context where) {
  struct ib_cq* ib = kv_create_cq(device, where == IB_POLL_DIRECT ? NULL : never_called, NULL, context, cqe, vector);
  if (IS_ERR(ib)) return ib;
  struct kv_cq* cq = to_cq(ib);
  cq->where = where;
  cq->served = true;
  INIT_WORK(&cq->work, serve_work);
  if (where != IB_POLL_DIRECT) ib_req_notify_cq(ib, IB_CQ_NEXT_COMP);
  return ib;
}

/* No work is queued any more once the flag is seen; destroying waits for a handler that has not seen it. */
void ib_free_cq(struct ib_cq* ib) {
  struct kv_cq* cq = to_cq(ib);
  __atomic_store_n(&cq->dying, true, __ATOMIC_SEQ_CST);
  cancel_work_sync(&cq->work);
  int error = ibv_destroy_cq(cq->native);
  WARN_ON(error);
  if (error) return;
  cancel_work_sync(&cq->work);
  free(cq);
}

int ib_process_cq_direct(struct ib_cq* ib, int budget) { return serve(to_cq(ib), budget < 0 ? INT_MAX : budget); }

struct ib_cq* ib_cq_pool_get(struct ib_device* device, unsigned int cqe, int vector, enum ib_poll_context where) {
  if (where == IB_POLL_DIRECT) return ERR_PTR(-EINVAL); /* who polls by hand has a CQ of his own */
  return ib_alloc_cq(device, NULL, (int)cqe, max(vector, 0), where);
}

void ib_cq_pool_put(struct ib_cq* cq, unsigned int cqe) {
  (void)cqe;
  ib_free_cq(cq);
}

struct drain {
  struct ib_cqe cqe;
  struct completion done;
};

static void drained(struct ib_cq* cq, struct ib_wc* wc) {
  (void)cq;
  complete(&container_of(wc->wr_cqe, struct drain, cqe)->done);
}

static void await(struct ib_cq* cq, struct drain* drain) {
  if (to_cq(cq)->where != IB_POLL_DIRECT) {
    wait_for_completion(&drain->done);
    return;
  }
  while (!try_wait_for_completion(&drain->done)) {
    if (ib_process_cq_direct(cq, -1) == 0) kv_delay(NSEC_PER_MSEC); /* nobody else polls it */
  }
}

static bool begin(struct ib_qp* qp, struct ib_cq* cq, struct drain* drain) {
  struct ib_qp_attr attr = {.qp_state = IB_QPS_ERR};
  drain->cqe.done = drained;
  init_completion(&drain->done);
  if (WARN_ON(!to_cq(cq)->served)) return false; /* its completions do not find their functions */
  return !WARN_ON(ib_modify_qp(qp, &attr, IB_QP_STATE) != 0);
}

void ib_drain_sq(struct ib_qp* qp) {
  struct drain drain;
  struct ib_rdma_wr last = {.wr = {.wr_cqe = &drain.cqe, .opcode = IB_WR_RDMA_WRITE, .send_flags = IB_SEND_SIGNALED}};
  if (!begin(qp, qp->send_cq, &drain)) return;
  if (!WARN_ON(ib_post_send(qp, &last.wr, NULL) != 0)) await(qp->send_cq, &drain);
}

void ib_drain_rq(struct ib_qp* qp) {
  struct drain drain;
  struct ib_recv_wr last = {.wr_cqe = &drain.cqe};
  if (!begin(qp, qp->recv_cq, &drain)) return;
  if (!WARN_ON(ib_post_recv(qp, &last, NULL) != 0)) await(qp->recv_cq, &drain);
}

void ib_drain_qp(struct ib_qp* qp) {
  ib_drain_sq(qp);
  if (!qp->srq) ib_drain_rq(qp);
}
