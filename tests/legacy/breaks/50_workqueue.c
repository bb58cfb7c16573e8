/* SPDX-License-Identifier: BSD-2-Clause */
/* row: 50
 * break: work queues say whether they are per CPU
 * version: 6.19
 * before: `alloc_workqueue(name, flags, n)`
 * after: `WQ_PERCPU`
 * here: by level
 */
#include <linux/workqueue.h>
#include "row.h"
static struct completion done;
static void work(struct work_struct* item) { complete(&done); }
static int test(struct ib_device* device) {
  struct work_struct item;
#if AFTER(6, 19)
  struct workqueue_struct* queue = alloc_workqueue("row%d", WQ_PERCPU | WQ_MEM_RECLAIM, 0, 50);
#else
  struct workqueue_struct* queue = alloc_workqueue("row%d", WQ_MEM_RECLAIM, 0, 50);
#ifdef WRONG
  alloc_workqueue("row%d", WQ_PERCPU, 0, 50);
#endif
#endif
  init_completion(&done);
  INIT_WORK(&item, work);
  CHECK(queue_work(queue, &item));
  CHECK(wait_for_completion_timeout(&done, 5 * HZ));
  destroy_workqueue(queue);
  return 0;
}

ROW(test);
