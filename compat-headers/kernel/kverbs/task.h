/* SPDX-License-Identifier: BSD-2-Clause */
/* Time, threads, deferred work. */
#ifndef KVERBS_TASK_H
#define KVERBS_TASK_H
#include <kverbs/list.h>
#include <kverbs/sync.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

/* A jiffy is a millisecond. */
#undef HZ
#define HZ 1000
unsigned long kv_now_jiffies(void);
#define jiffies kv_now_jiffies()
#define get_jiffies_64() ((u64)kv_now_jiffies())
#define msecs_to_jiffies(ms) ((unsigned long)(ms))
#define jiffies_to_msecs(j) ((unsigned int)(j))
#define usecs_to_jiffies(us) ((unsigned long)DIV_ROUND_UP(us, 1000))
#define time_after(a, b) ((long)((b) - (a)) < 0)
#define time_before(a, b) time_after(b, a)
#define time_after_eq(a, b) ((long)((a) - (b)) >= 0)
#define time_before_eq(a, b) time_after_eq(b, a)
#define MAX_SCHEDULE_TIMEOUT LONG_MAX
#define NSEC_PER_SEC 1000000000L
#define NSEC_PER_MSEC 1000000L
#define NSEC_PER_USEC 1000L
#define USEC_PER_SEC 1000000L
#define MSEC_PER_SEC 1000L

u64 ktime_get_ns(void) KV_SYMBOL(ktime_get_ns);
u64 ktime_get_real_ns(void) KV_SYMBOL(ktime_get_real_ns);
#define ktime_get() ((ktime_t)ktime_get_ns())
#define ktime_get_real() ((ktime_t)ktime_get_real_ns())
#define ktime_get_seconds() ((time64_t)(ktime_get_ns() / NSEC_PER_SEC))
#define ktime_get_real_seconds() ((time64_t)(ktime_get_real_ns() / NSEC_PER_SEC))
#define ktime_to_ns(t) ((s64)(t))
#define ktime_to_us(t) ((s64)(t) / 1000)
#define ktime_to_ms(t) ((s64)(t) / 1000000)
#define ktime_sub(a, b) ((ktime_t)((a) - (b)))
#define ktime_add(a, b) ((ktime_t)((a) + (b)))
#define ktime_add_ns(a, n) ((ktime_t)((a) + (s64)(n)))
#define ktime_us_delta(a, b) (((a) - (b)) / 1000)
#define ktime_ms_delta(a, b) (((a) - (b)) / 1000000)
#if KV_UNTIL(5, 0, 0)
#include <sys/time.h>
#define do_gettimeofday(tv) ((void)gettimeofday(tv, NULL))
#endif
#if KV_UNTIL(5, 11, 0)
#define get_seconds() ((unsigned long)(ktime_get_real_ns() / NSEC_PER_SEC))
#endif
typedef unsigned long long cycles_t;
#define get_cycles() ((cycles_t)ktime_get_ns())
void kv_delay(u64 ns); /* not shorter; signals do not end it */
#define msleep(ms) kv_delay((u64)(ms)*NSEC_PER_MSEC)
#define ssleep(s) kv_delay((u64)(s)*NSEC_PER_SEC)
#define mdelay msleep
#define udelay(us) kv_delay((u64)(us)*NSEC_PER_USEC)
#define ndelay kv_delay
#define usleep_range(low, high) ((void)(high), udelay(low))
#define msleep_interruptible(ms) (msleep(ms), 0UL)

/* Threads. */
struct task_struct {
  char comm[16];
  int pid;
  long state;
  int (*function)(void* data); /* what follows is the library's */
  void* data;
  int stop, park, signaled, result;
  wait_queue_head_t own;
  wait_queue_head_t* sleeping_in;
  pthread_mutex_t lock;
  pthread_t thread;
  int started;
};
#define TASK_RUNNING 0
#define TASK_INTERRUPTIBLE 1
#define TASK_UNINTERRUPTIBLE 2
#define TASK_COMM_LEN 16
struct task_struct* kv_current(void);
#define current kv_current()
struct task_struct* kv_kthread(int (*function)(void*), void* data, const char* format, ...)
    __attribute__((format(printf, 3, 4)));
int wake_up_process(struct task_struct* task) KV_SYMBOL(wake_up_process);
/** kthread_stop - sets the flag, wakes the thread wherever it waits, and gives what its function returned */
int kthread_stop(struct task_struct* task) KV_SYMBOL(kthread_stop);
bool kthread_should_stop(void) KV_SYMBOL(kthread_should_stop);
#define kthread_create(function, data, ...) kv_kthread(function, data, __VA_ARGS__)
#define kthread_run(function, data, ...)                                   \
  __extension__({                                                          \
    struct task_struct* kv_task = kv_kthread(function, data, __VA_ARGS__); \
    if (!IS_ERR(kv_task)) wake_up_process(kv_task);                        \
    kv_task;                                                               \
  })
int signal_pending(struct task_struct* task) KV_SYMBOL(signal_pending);
void flush_signals(struct task_struct* task) KV_SYMBOL(flush_signals);
#define set_current_state(value) ((void)(current->state = (value)))
#define __set_current_state set_current_state
long schedule_timeout(long timeout) KV_SYMBOL(schedule_timeout);
#define schedule() ((void)schedule_timeout(MAX_SCHEDULE_TIMEOUT))
#define schedule_timeout_interruptible(t) (set_current_state(TASK_INTERRUPTIBLE), schedule_timeout(t))
#define schedule_timeout_uninterruptible(t) (set_current_state(TASK_UNINTERRUPTIBLE), schedule_timeout(t))
#define cond_resched() ((void)sched_yield())
#define yield() ((void)sched_yield())
#define in_interrupt() 0
#define in_atomic() 0
#define smp_processor_id() ((unsigned)max(sched_getcpu(), 0))
#define raw_smp_processor_id smp_processor_id
#define get_cpu smp_processor_id
#define put_cpu() ((void)0)
unsigned int kv_cpus(void);
#define num_online_cpus() kv_cpus()
#define num_possible_cpus() kv_cpus()

/* Timers. */
struct timer_list {
  struct list_head entry; /* the library's */
  unsigned long expires;
  void (*function)();
  unsigned long data;
  int with_timer, queued, running;
};
void kv_timer_init(struct timer_list* timer, int with_timer);
int mod_timer(struct timer_list* timer, unsigned long expires) KV_SYMBOL(mod_timer);
int del_timer(struct timer_list* timer) KV_SYMBOL(del_timer);
int del_timer_sync(struct timer_list* timer) KV_SYMBOL(del_timer_sync);
#define add_timer(timer) ((void)mod_timer(timer, (timer)->expires))
#define timer_pending(timer) ((timer)->queued)
#define timer_delete del_timer
#define timer_delete_sync del_timer_sync
#define timer_shutdown_sync del_timer_sync
#if KV_UNTIL(4, 15, 0)
#define init_timer(timer) kv_timer_init(timer, 0)
#define setup_timer(timer, f, value) \
  (kv_timer_init(timer, 0), (timer)->function = (void (*)())(f), (timer)->data = (value))
#endif
#if KV_SINCE(4, 14, 0)
#define timer_setup(timer, f, flags) (kv_timer_init(timer, 1), (timer)->function = (void (*)())(f))
#define from_timer(p, timer, member) container_of(timer, __typeof__(*p), member)
#define timer_container_of from_timer
#endif

/* Work. One item never runs in two threads at once; a queue made with max_active 1 runs its items in order. */
struct workqueue_struct;
struct work_struct {
  struct list_head entry; /* the library's */
  void (*func)();
  void* data; /* before 2.6.20: what the function is given */
  int with_data, pending, running;
  struct workqueue_struct* queue;
};
typedef void (*work_func_t)(struct work_struct* work);
struct delayed_work {
  struct work_struct work;
  struct timer_list timer;
  struct workqueue_struct* queue;
};
#define WQ_UNBOUND 2
#define WQ_FREEZABLE 4
#define WQ_MEM_RECLAIM 8
#define WQ_HIGHPRI 16
#define WQ_CPU_INTENSIVE 32
#if KV_SINCE(6, 19, 0)
#define WQ_PERCPU 256
#endif
#define INIT_WORK(...) KV_ARITY(KV_INIT_WORK, __VA_ARGS__)
#define KV_INIT_WORK2(w, f) kv_work_init(w, (void (*)())(f), NULL, 0)
#define KV_INIT_WORK3(w, f, value) kv_work_init(w, (void (*)())(f), value, 1)
#define INIT_DELAYED_WORK(w, f) kv_delayed_work_init(w, (void (*)())(f))
void kv_work_init(struct work_struct* work, void (*func)(), void* data, int with_data);
void kv_delayed_work_init(struct delayed_work* work, void (*func)());
struct workqueue_struct* kv_workqueue(int max_active, const char* format, ...) __attribute__((format(printf, 2, 3)));
void destroy_workqueue(struct workqueue_struct* queue) KV_SYMBOL(destroy_workqueue);
int queue_work(struct workqueue_struct* queue, struct work_struct* work) KV_SYMBOL(queue_work);
int queue_delayed_work(struct workqueue_struct* queue, struct delayed_work* work, unsigned long delay)
    KV_SYMBOL(queue_delayed_work);
int mod_delayed_work(struct workqueue_struct* queue, struct delayed_work* work, unsigned long delay)
    KV_SYMBOL(mod_delayed_work);
/** flush_workqueue - waits until what is queued now, and what that queues, has run */
void flush_workqueue(struct workqueue_struct* queue) KV_SYMBOL(flush_workqueue);
bool flush_work(struct work_struct* work) KV_SYMBOL(flush_work);
bool cancel_work_sync(struct work_struct* work) KV_SYMBOL(cancel_work_sync);
bool cancel_delayed_work(struct delayed_work* work) KV_SYMBOL(cancel_delayed_work);
bool cancel_delayed_work_sync(struct delayed_work* work) KV_SYMBOL(cancel_delayed_work_sync);
struct workqueue_struct* kv_system_wq(void);
#define system_wq kv_system_wq()
#define system_unbound_wq kv_system_wq()
#define system_percpu_wq kv_system_wq()
#define system_dfl_wq kv_system_wq()
#define schedule_work(work) queue_work(system_wq, work)
#define schedule_delayed_work(work, delay) queue_delayed_work(system_wq, work, delay)
#define flush_scheduled_work() flush_workqueue(system_wq)
#define create_workqueue(name) kv_workqueue(0, "%s", name)
#define create_singlethread_workqueue(name) kv_workqueue(1, "%s", name)
#define alloc_workqueue(format, flags, max_active, ...) ((void)(flags), kv_workqueue(max_active, format, ##__VA_ARGS__))
#define alloc_ordered_workqueue(format, flags, ...) ((void)(flags), kv_workqueue(1, format, ##__VA_ARGS__))
#define work_pending(work) ((work)->pending)
#define to_delayed_work(w) container_of(w, struct delayed_work, work)

#endif
