/* SPDX-License-Identifier: BSD-2-Clause */
/* Sleeping and waking: wait queues, completions, semaphores, time. */
#include <kverbs/task.h>
#include <linux/futex.h>
#include <sys/syscall.h>

u64 ktime_get_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (u64)now.tv_sec * NSEC_PER_SEC + (u64)now.tv_nsec;
}

u64 ktime_get_real_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (u64)now.tv_sec * NSEC_PER_SEC + (u64)now.tv_nsec;
}

unsigned long kv_now_jiffies(void) { return (unsigned long)(ktime_get_ns() / NSEC_PER_MSEC); }

u64 kv_deadline(long timeout) {
  if (timeout == MAX_SCHEDULE_TIMEOUT) return 0;
  return ktime_get_ns() + (u64)max(timeout, 0L) * NSEC_PER_MSEC + 1;
}

long kv_jiffies_left(u64 end) {
  if (end == 0) return MAX_SCHEDULE_TIMEOUT;
  u64 now = ktime_get_ns();
  return now >= end ? 0 : (long)DIV_ROUND_UP(end - now, (u64)NSEC_PER_MSEC);
}

void kv_delay(u64 ns) {
  u64 end = ktime_get_ns() + ns;
  struct timespec until = {(time_t)(end / NSEC_PER_SEC), (long)(end % NSEC_PER_SEC)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) continue;
}

void kv_wake(wait_queue_head_t* queue) {
  __atomic_add_fetch(&queue->wakes, 1, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&queue->sleepers, __ATOMIC_SEQ_CST))
    syscall(SYS_futex, &queue->wakes, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* Until the queue's number changes. FUTEX_WAIT_BITSET takes an absolute time. */
static int sleep_until(wait_queue_head_t* queue, u32 seen, u64 end) {
  struct timespec until = {(time_t)(end / NSEC_PER_SEC), (long)(end % NSEC_PER_SEC)};
  __atomic_add_fetch(&queue->sleepers, 1, __ATOMIC_SEQ_CST);
  long result = syscall(SYS_futex, &queue->wakes, FUTEX_WAIT_BITSET_PRIVATE, seen, end ? &until : NULL, NULL,
                        FUTEX_BITSET_MATCH_ANY);
  int error = result < 0 ? errno : 0;
  __atomic_sub_fetch(&queue->sleepers, 1, __ATOMIC_SEQ_CST);
  return error == ETIMEDOUT ? -ETIMEDOUT : 0;
}

static void say_where(wait_queue_head_t* queue) {
  struct task_struct* task = current;
  pthread_mutex_lock(&task->lock);
  task->sleeping_in = queue;
  pthread_mutex_unlock(&task->lock);
}

u32 kv_wait_begin(wait_queue_head_t* queue) {
  say_where(queue);
  return __atomic_load_n(&queue->wakes, __ATOMIC_SEQ_CST);
}

void kv_wait_end(void) { say_where(NULL); }

/* Whoever signals sets the flag first, and then wakes the queue that was said before this looks. */
int kv_sleep(wait_queue_head_t* queue, u32 seen, u64 end, int interruptible) {
  if (interruptible && signal_pending(current)) return -ERESTARTSYS;
  return sleep_until(queue, seen, end);
}

/* The count is the futex. Who sees it may free the completion, so nothing is read of it afterwards: a wake-up takes an
 * address only. */
static void set_done(struct completion* c, unsigned int by) {
  unsigned int now = __atomic_load_n(&c->done, __ATOMIC_SEQ_CST), next;
  do {
    next = now > UINT_MAX - by ? UINT_MAX : now + by;
  } while (!__atomic_compare_exchange_n(&c->done, &now, next, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  syscall(SYS_futex, &c->done, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void complete(struct completion* c) { set_done(c, 1); }
void complete_all(struct completion* c) { set_done(c, UINT_MAX); }

/* A signal does not change the count, so an interruptible wait looks for one ten times a second. */
int kv_wait_completion(struct completion* c, u64 end, int interruptible) {
  const u64 slice = NSEC_PER_SEC / 10;
  while (!try_wait_for_completion(c)) {
    u64 now = ktime_get_ns();
    if (end && now >= end) return -ETIMEDOUT;
    if (interruptible && signal_pending(current)) return -ERESTARTSYS;
    u64 until = interruptible && (!end || end > now + slice) ? now + slice : end;
    struct timespec limit = {(time_t)(until / NSEC_PER_SEC), (long)(until % NSEC_PER_SEC)};
    syscall(SYS_futex, &c->done, FUTEX_WAIT_BITSET_PRIVATE, 0, until ? &limit : NULL, NULL, FUTEX_BITSET_MATCH_ANY);
  }
  return 0;
}

long kv_wait_completion_timeout(struct completion* c, long timeout, int interruptible) {
  u64 end = kv_deadline(timeout);
  int result = kv_wait_completion(c, end, interruptible);
  if (result == -ETIMEDOUT) return 0;
  return result ? result : max(kv_jiffies_left(end), 1L);
}

bool try_wait_for_completion(struct completion* c) {
  unsigned int now = __atomic_load_n(&c->done, __ATOMIC_SEQ_CST);
  while (now != 0 && now != UINT_MAX)
    if (__atomic_compare_exchange_n(&c->done, &now, now - 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return true;
  return now != 0;
}

bool kv_down(struct semaphore* s) {
  int now = __atomic_load_n(&s->count, __ATOMIC_SEQ_CST);
  while (now > 0)
    if (__atomic_compare_exchange_n(&s->count, &now, now - 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return true;
  return false;
}

void up(struct semaphore* s) {
  __atomic_add_fetch(&s->count, 1, __ATOMIC_SEQ_CST);
  kv_wake(&s->wait);
}

static pthread_rwlock_t rcu = PTHREAD_RWLOCK_INITIALIZER;
void rcu_read_lock(void) { pthread_rwlock_rdlock(&rcu); }
void rcu_read_unlock(void) { pthread_rwlock_unlock(&rcu); }
void synchronize_rcu(void) {
  pthread_rwlock_wrlock(&rcu);
  pthread_rwlock_unlock(&rcu);
}
