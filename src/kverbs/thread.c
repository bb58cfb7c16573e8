/* SPDX-License-Identifier: BSD-2-Clause */
/* Kernel threads, and what `current` is in threads that are none. */
#include "thread.h"

#include <kverbs/memory.h>
#include <unistd.h>

static _Thread_local struct task_struct* mine;
static pthread_key_t end_of_thread;
static pthread_once_t once = PTHREAD_ONCE_INIT;

unsigned int kv_cpus(void) { return (unsigned int)sysconf(_SC_NPROCESSORS_ONLN); }

static void release(void* task) { free(task); }
static void prepare(void) { pthread_key_create(&end_of_thread, release); }

static struct task_struct* new_task(void) {
  struct task_struct* task = calloc(1, sizeof *task);
  BUG_ON(!task);
  pthread_mutex_init(&task->lock, NULL);
  return task;
}

struct task_struct* kv_current(void) {
  if (mine) return mine;
  pthread_once(&once, prepare);
  mine = new_task();
  mine->pid = gettid();
  mine->thread = pthread_self();
  snprintf(mine->comm, sizeof mine->comm, "kmod");
  pthread_setspecific(end_of_thread, mine);
  return mine;
}

int kv_start_thread(pthread_t* thread, void* (*function)(void*), void* data) {
  static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
  sigset_t all, old;
  sigfillset(&all);
  /* Blocked, a fault would end the process without anybody's handler. */
  for (size_t i = 0; i < ARRAY_SIZE(faults); i++) sigdelset(&all, faults[i]);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  int error = pthread_create(thread, NULL, function, data);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  return -error;
}

/* Like the kernel's, a thread is created asleep. It starts by its first wake-up, or to be stopped. */
static void* run(void* data) {
  struct task_struct* task = mine = data;
  task->pid = gettid();
  pthread_setname_np(pthread_self(), task->comm);
  wait_event(task->own, __atomic_load_n(&task->started, __ATOMIC_SEQ_CST));
  task->result = task->stop ? -EINTR : task->function(task->data);
  return NULL;
}

struct task_struct* kv_kthread(int (*function)(void*), void* data, const char* format, ...) {
  struct task_struct* task = new_task();
  va_list arguments;
  va_start(arguments, format);
  kv_vscnprintf(task->comm, sizeof task->comm, format, arguments);
  va_end(arguments);
  task->function = function;
  task->data = data;
  int error = kv_start_thread(&task->thread, run, task);
  if (!error) return task;
  free(task);
  return ERR_PTR(error);
}

static void wake(struct task_struct* task) {
  kv_wake(&task->own);
  pthread_mutex_lock(&task->lock);
  if (task->sleeping_in) kv_wake(task->sleeping_in);
  pthread_mutex_unlock(&task->lock);
}

int wake_up_process(struct task_struct* task) {
  __atomic_store_n(&task->started, 1, __ATOMIC_SEQ_CST);
  __atomic_store_n(&task->state, TASK_RUNNING, __ATOMIC_SEQ_CST);
  wake(task);
  return 1;
}

int kthread_stop(struct task_struct* task) {
  __atomic_store_n(&task->stop, 1, __ATOMIC_SEQ_CST);
  wake_up_process(task);
  pthread_join(task->thread, NULL);
  int result = task->result;
  free(task);
  return result;
}

bool kthread_should_stop(void) { return __atomic_load_n(&current->stop, __ATOMIC_SEQ_CST); }

int signal_pending(struct task_struct* task) { return __atomic_load_n(&task->signaled, __ATOMIC_SEQ_CST); }
void flush_signals(struct task_struct* task) { __atomic_store_n(&task->signaled, 0, __ATOMIC_SEQ_CST); }

void kv_signal(struct task_struct* task) {
  __atomic_store_n(&task->signaled, 1, __ATOMIC_SEQ_CST);
  wake(task);
}

long schedule_timeout(long timeout) {
  struct task_struct* task = current;
  u64 end = kv_deadline(timeout);
  bool interruptible = task->state == TASK_INTERRUPTIBLE;
  KV_WAIT(task->own,
          __atomic_load_n(&task->state, __ATOMIC_SEQ_CST) == TASK_RUNNING || kthread_should_stop() ||
              (interruptible && signal_pending(task)),
          end, interruptible);
  task->state = TASK_RUNNING;
  return kv_jiffies_left(end);
}
