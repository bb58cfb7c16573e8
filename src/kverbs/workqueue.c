/* SPDX-License-Identifier: BSD-2-Clause */
/* Work queues on one pool of threads. A thread is added when something is due and none is idle, so work that sleeps
 * never holds up other work. What runs is known by its thread, not by its item: a function may free its item. */
#include <kverbs/memory.h>

#include "thread.h"

enum { kMostThreads = 512 };
enum { kQueued = 1, kDelayed = 2 }; /* work_struct::pending; lock held, as for all of an item's other fields */

struct workqueue_struct {
  char name[32];
  int max_active, active;
  struct list_head due; /* beyond max_active */
  unsigned long queued; /* items that have not ended */
};
struct worker {
  struct list_head entry;
  struct work_struct* item;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static LIST_HEAD(ready);
static LIST_HEAD(workers);
static void* work_on(void* unused);
static int threads, idle;
static _Thread_local struct worker* self;

void kv_work_init(struct work_struct* work, void (*func)(), void* data, int with_data) {
  memset(work, 0, sizeof *work);
  INIT_LIST_HEAD(&work->entry);
  work->func = func;
  work->data = data;
  work->with_data = with_data;
}

struct workqueue_struct* kv_workqueue(int max_active, const char* format, ...) {
  struct workqueue_struct* queue = kzalloc(sizeof *queue, GFP_KERNEL);
  va_list arguments;
  if (!queue) return NULL;
  va_start(arguments, format);
  kv_vscnprintf(queue->name, sizeof queue->name, format, arguments);
  va_end(arguments);
  queue->max_active = max_active > 0 ? max_active : INT_MAX;
  INIT_LIST_HEAD(&queue->due);
  return queue;
}

static struct worker* runner_of(struct work_struct* work) {
  struct worker* worker;
  list_for_each_entry(worker, &workers, entry) if (worker->item == work) return worker;
  return NULL;
}

static struct work_struct* next_item(void) {
  struct work_struct* work;
  list_for_each_entry(work, &ready, entry) if (!runner_of(work)) return work;
  return NULL;
}

/* Lock held. */
static void see_to_threads(void) {
  pthread_t thread;
  pthread_cond_signal(&more);
  if (idle > 0 || threads == kMostThreads) return;
  if (kv_start_thread(&thread, work_on, NULL) != 0) return;
  pthread_detach(thread);
  threads++;
}

/* Lock held; let go while the function runs. */
static void execute(struct worker* worker, struct work_struct* work) {
  struct workqueue_struct* queue = work->queue;
  void (*func)() = work->func;
  void* argument = work->with_data ? work->data : work;
  list_del_init(&work->entry);
  work->pending = 0;
  worker->item = work;
  if (next_item()) see_to_threads(); /* who was woken may have been this one, for both */
  pthread_mutex_unlock(&lock);
  ((void (*)(void*))func)(argument);
  pthread_mutex_lock(&lock);
  worker->item = NULL;
  queue->queued--;
  if (list_empty(&queue->due)) {
    queue->active--;
  } else {
    list_move_tail(queue->due.next, &ready);
  }
  pthread_cond_broadcast(&ended);
}

static void* work_on(void* unused) {
  struct worker worker = {.item = NULL};
  self = &worker;
  pthread_mutex_lock(&lock);
  list_add(&worker.entry, &workers);
  for (;;) {
    struct work_struct* work = next_item();
    if (work) {
      execute(&worker, work);
      continue;
    }
    idle++;
    pthread_cond_wait(&more, &lock);
    idle--;
  }
  return unused;
}

/* Lock held; the item is not pending. */
static void enqueue(struct workqueue_struct* queue, struct work_struct* work) {
  work->pending = kQueued;
  work->queue = queue;
  queue->queued++;
  if (queue->active < queue->max_active) {
    queue->active++;
    list_add_tail(&work->entry, &ready);
    see_to_threads();
  } else {
    list_add_tail(&work->entry, &queue->due);
  }
}

int queue_work(struct workqueue_struct* queue, struct work_struct* work) {
  pthread_mutex_lock(&lock);
  int fresh = !work->pending;
  if (fresh) enqueue(queue, work);
  pthread_mutex_unlock(&lock);
  return fresh;
}

/* Lock held. The item waits for its timer no more; one that has just run down finds it so. */
static bool take_from_timer(struct work_struct* work) {
  del_timer(&to_delayed_work(work)->timer);
  work->pending = 0;
  return true;
}

/* Lock held. Whether it was queued. */
static bool take_back(struct work_struct* work) {
  if (!work->pending) return false;
  if (work->pending == kDelayed) return take_from_timer(work);
  struct workqueue_struct* queue = work->queue;
  struct work_struct* other;
  bool waits = false;
  list_for_each_entry(other, &queue->due, entry) waits |= other == work;
  list_del_init(&work->entry);
  work->pending = 0;
  queue->queued--;
  if (!waits) {
    if (list_empty(&queue->due)) {
      queue->active--;
    } else {
      list_move_tail(queue->due.next, &ready);
      see_to_threads();
    }
  }
  pthread_cond_broadcast(&ended);
  return true;
}

bool flush_work(struct work_struct* work) {
  pthread_mutex_lock(&lock);
  bool waited = false;
  for (struct worker* worker; (worker = runner_of(work)) ? worker != self : work->pending == kQueued; waited = true)
    pthread_cond_wait(&ended, &lock);
  pthread_mutex_unlock(&lock);
  return waited;
}

bool cancel_work_sync(struct work_struct* work) {
  pthread_mutex_lock(&lock);
  bool was = take_back(work);
  for (struct worker* worker; (worker = runner_of(work)) && worker != self;) {
    pthread_cond_wait(&ended, &lock);
    was |= take_back(work);
  }
  pthread_mutex_unlock(&lock);
  return was;
}

void flush_workqueue(struct workqueue_struct* queue) {
  pthread_mutex_lock(&lock);
  unsigned long own = self && self->item && self->item->queue == queue;
  while (queue->queued > own) pthread_cond_wait(&ended, &lock);
  pthread_mutex_unlock(&lock);
}

void destroy_workqueue(struct workqueue_struct* queue) {
  if (!queue) return;
  flush_workqueue(queue);
  kfree(queue);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct workqueue_struct *system_queue, *library_queue;
static void make_queues(void) {
  system_queue = kv_workqueue(0, "events");
  library_queue = kv_workqueue(0, "verbatim");
}

struct workqueue_struct* kv_system_wq(void) {
  pthread_once(&once, make_queues);
  return system_queue;
}

/* Not the modules': whoever flushes that one must not wait for handlers, least of all in a handler. */
struct workqueue_struct* kv_library_wq(void) {
  pthread_once(&once, make_queues);
  return library_queue;
}

/* Between the timer's end and here the item may have been taken back, and even been delayed anew. */
static void due(struct timer_list* timer) {
  struct delayed_work* work = container_of(timer, struct delayed_work, timer);
  pthread_mutex_lock(&lock);
  if (work->work.pending == kDelayed && !timer->queued) enqueue(work->queue, &work->work);
  pthread_mutex_unlock(&lock);
}

void kv_delayed_work_init(struct delayed_work* work, void (*func)()) {
  kv_work_init(&work->work, func, NULL, 0);
  kv_timer_init(&work->timer, 1);
  work->timer.function = (void (*)())due;
}

/* Lock held; the item is not pending. */
static void delay_by(struct workqueue_struct* queue, struct delayed_work* work, unsigned long delay) {
  work->queue = queue;
  if (!delay) {
    enqueue(queue, &work->work);
    return;
  }
  work->work.pending = kDelayed;
  mod_timer(&work->timer, jiffies + delay);
}

int queue_delayed_work(struct workqueue_struct* queue, struct delayed_work* work, unsigned long delay) {
  pthread_mutex_lock(&lock);
  int fresh = !work->work.pending;
  if (fresh) delay_by(queue, work, delay);
  pthread_mutex_unlock(&lock);
  return fresh;
}

int mod_delayed_work(struct workqueue_struct* queue, struct delayed_work* work, unsigned long delay) {
  pthread_mutex_lock(&lock);
  bool was = take_back(&work->work);
  delay_by(queue, work, delay);
  pthread_mutex_unlock(&lock);
  return was;
}

bool cancel_delayed_work(struct delayed_work* work) {
  pthread_mutex_lock(&lock);
  bool was = take_back(&work->work);
  pthread_mutex_unlock(&lock);
  return was;
}

bool cancel_delayed_work_sync(struct delayed_work* work) {
  bool was = cancel_work_sync(&work->work);
  del_timer_sync(&work->timer); /* it may look at the item still */
  return was;
}
