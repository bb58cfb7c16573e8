/* SPDX-License-Identifier: BSD-2-Clause */
/* Timers: one thread, and the timers that are set in the order of their expiry. */
#include "thread.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER; /* the running one has ended */
static pthread_cond_t changed;
static LIST_HEAD(timers);
static struct timer_list* running;
static pthread_t thread;

void kv_timer_init(struct timer_list* timer, int with_timer) {
  memset(timer, 0, sizeof *timer);
  INIT_LIST_HEAD(&timer->entry);
  timer->with_timer = with_timer;
}

/* Lock held. */
static void sleep_until_due(void) {
  if (list_empty(&timers)) {
    pthread_cond_wait(&changed, &lock);
    return;
  }
  u64 due = (u64)list_first_entry(&timers, struct timer_list, entry)->expires * NSEC_PER_MSEC;
  struct timespec until = {(time_t)(due / NSEC_PER_SEC), (long)(due % NSEC_PER_SEC)};
  pthread_cond_timedwait(&changed, &lock, &until);
}

/* Lock held; let go while the function runs. The function may free its timer. */
static void fire(struct timer_list* timer) {
  void (*function)() = timer->function;
  unsigned long data = timer->data;
  int with_timer = timer->with_timer;
  list_del_init(&timer->entry);
  timer->queued = 0;
  running = timer;
  pthread_mutex_unlock(&lock);
  if (with_timer) {
    ((void (*)(struct timer_list*))function)(timer);
  } else {
    ((void (*)(unsigned long))function)(data);
  }
  pthread_mutex_lock(&lock);
  running = NULL;
  pthread_cond_broadcast(&idle);
}

static void* run(void* unused) {
  pthread_mutex_lock(&lock);
  for (;;) {
    struct timer_list* first = list_first_entry_or_null(&timers, struct timer_list, entry);
    if (first && time_after_eq(jiffies, first->expires)) {
      fire(first);
    } else {
      sleep_until_due();
    }
  }
  return unused;
}

static void start(void) {
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&changed, &monotonic);
  BUG_ON(kv_start_thread(&thread, run, NULL) != 0);
}

int mod_timer(struct timer_list* timer, unsigned long expires) {
  struct timer_list* later;
  pthread_once(&once, start);
  pthread_mutex_lock(&lock);
  int was = timer->queued;
  if (was) list_del(&timer->entry);
  timer->expires = expires;
  timer->queued = 1;
  list_for_each_entry(later, &timers, entry) if (time_after(later->expires, expires)) break;
  list_add_tail(&timer->entry, &later->entry);
  pthread_cond_signal(&changed);
  pthread_mutex_unlock(&lock);
  return was;
}

int del_timer(struct timer_list* timer) {
  pthread_mutex_lock(&lock);
  int was = timer->queued;
  if (was) list_del_init(&timer->entry);
  timer->queued = 0;
  pthread_mutex_unlock(&lock);
  return was;
}

int del_timer_sync(struct timer_list* timer) {
  int was = 0;
  pthread_mutex_lock(&lock);
  for (;;) {
    if (timer->queued) {
      list_del_init(&timer->entry);
      timer->queued = 0;
      was = 1;
    }
    if (running != timer || pthread_equal(thread, pthread_self())) break;
    pthread_cond_wait(&idle, &lock);
  }
  pthread_mutex_unlock(&lock);
  return was;
}
