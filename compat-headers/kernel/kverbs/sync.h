/* SPDX-License-Identifier: BSD-2-Clause */
/* Locks, atomics, wait queues. Spin locks sleep: there are no interrupts to keep out, and a spinning holder would only
 * burn the core that the other one needs. */
#ifndef KVERBS_SYNC_H
#define KVERBS_SYNC_H
#include <kverbs/base.h>
#include <pthread.h>

typedef struct {
  pthread_mutex_t held;
} spinlock_t;
struct mutex {
  pthread_mutex_t held;
};
typedef struct {
  pthread_rwlock_t held;
} rwlock_t;
struct rw_semaphore {
  pthread_rwlock_t held;
};

#define __SPIN_LOCK_UNLOCKED(name) \
  { PTHREAD_MUTEX_INITIALIZER }
#define SPIN_LOCK_UNLOCKED \
  (spinlock_t) { PTHREAD_MUTEX_INITIALIZER }
#define RW_LOCK_UNLOCKED \
  (rwlock_t) { PTHREAD_RWLOCK_INITIALIZER }
#define DEFINE_SPINLOCK(name) spinlock_t name = {PTHREAD_MUTEX_INITIALIZER}
#define DEFINE_MUTEX(name) struct mutex name = {PTHREAD_MUTEX_INITIALIZER}
#define DEFINE_RWLOCK(name) rwlock_t name = {PTHREAD_RWLOCK_INITIALIZER}
#define DECLARE_RWSEM(name) struct rw_semaphore name = {PTHREAD_RWLOCK_INITIALIZER}
#define spin_lock_init(lock) ((void)pthread_mutex_init(&(lock)->held, NULL))
#define mutex_init(lock) ((void)pthread_mutex_init(&(lock)->held, NULL))
#define rwlock_init(lock) ((void)pthread_rwlock_init(&(lock)->held, NULL))
#define init_rwsem rwlock_init
#define mutex_destroy(lock) ((void)pthread_mutex_destroy(&(lock)->held))

#define spin_lock(lock) ((void)pthread_mutex_lock(&(lock)->held))
#define spin_unlock(lock) ((void)pthread_mutex_unlock(&(lock)->held))
#define spin_trylock(lock) (pthread_mutex_trylock(&(lock)->held) == 0)
#define spin_lock_bh spin_lock
#define spin_unlock_bh spin_unlock
#define spin_lock_irq spin_lock
#define spin_unlock_irq spin_unlock
#define spin_lock_irqsave(lock, flags) ((flags) = 0, spin_lock(lock))
#define spin_unlock_irqrestore(lock, flags) ((void)(flags), spin_unlock(lock))
#define assert_spin_locked(lock) ((void)(lock))
#define lockdep_assert_held(lock) ((void)(lock))
#define local_irq_save(flags) ((void)((flags) = 0))
#define local_irq_restore(flags) ((void)(flags))

#define mutex_lock(lock) ((void)pthread_mutex_lock(&(lock)->held))
#define mutex_lock_nested(lock, subclass) mutex_lock(lock)
#define mutex_unlock(lock) ((void)pthread_mutex_unlock(&(lock)->held))
#define mutex_trylock(lock) (pthread_mutex_trylock(&(lock)->held) == 0)
#define mutex_lock_interruptible(lock) (mutex_lock(lock), 0)

#define read_lock(lock) ((void)pthread_rwlock_rdlock(&(lock)->held))
#define read_unlock(lock) ((void)pthread_rwlock_unlock(&(lock)->held))
#define write_lock(lock) ((void)pthread_rwlock_wrlock(&(lock)->held))
#define write_unlock(lock) ((void)pthread_rwlock_unlock(&(lock)->held))
#define read_lock_irqsave(lock, flags) ((flags) = 0, read_lock(lock))
#define read_unlock_irqrestore(lock, flags) ((void)(flags), read_unlock(lock))
#define write_lock_irqsave(lock, flags) ((flags) = 0, write_lock(lock))
#define write_unlock_irqrestore(lock, flags) ((void)(flags), write_unlock(lock))
#define read_lock_bh read_lock
#define read_unlock_bh read_unlock
#define write_lock_bh write_lock
#define write_unlock_bh write_unlock
#define down_read read_lock
#define up_read read_unlock
#define down_write write_lock
#define up_write write_unlock

#define ATOMIC_INIT(n) \
  { (n) }
#define atomic_read(v) __atomic_load_n(&(v)->counter, __ATOMIC_RELAXED)
#define atomic_set(v, n) __atomic_store_n(&(v)->counter, (n), __ATOMIC_RELAXED)
#define atomic_add_return(n, v) __atomic_add_fetch(&(v)->counter, (n), __ATOMIC_SEQ_CST)
#define atomic_sub_return(n, v) __atomic_sub_fetch(&(v)->counter, (n), __ATOMIC_SEQ_CST)
#define atomic_fetch_add(n, v) __atomic_fetch_add(&(v)->counter, (n), __ATOMIC_SEQ_CST)
#define atomic_add(n, v) ((void)atomic_add_return(n, v))
#define atomic_sub(n, v) ((void)atomic_sub_return(n, v))
#define atomic_inc(v) atomic_add(1, v)
#define atomic_dec(v) atomic_sub(1, v)
#define atomic_inc_return(v) atomic_add_return(1, v)
#define atomic_dec_return(v) atomic_sub_return(1, v)
#define atomic_dec_and_test(v) (atomic_sub_return(1, v) == 0)
#define atomic_inc_and_test(v) (atomic_add_return(1, v) == 0)
#define atomic_sub_and_test(n, v) (atomic_sub_return(n, v) == 0)
#define atomic_xchg(v, n) __atomic_exchange_n(&(v)->counter, (n), __ATOMIC_SEQ_CST)
static inline int atomic_cmpxchg(atomic_t* v, int old, int fresh) {
  __atomic_compare_exchange_n(&v->counter, &old, fresh, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  return old;
}
static inline int atomic_add_unless(atomic_t* v, int n, int unless) {
  int now = atomic_read(v);
  while (now != unless)
    if (__atomic_compare_exchange_n(&v->counter, &now, now + n, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return 1;
  return 0;
}
#define atomic_inc_not_zero(v) atomic_add_unless(v, 1, 0)
#define ATOMIC64_INIT ATOMIC_INIT
#define atomic64_read atomic_read
#define atomic64_set atomic_set
#define atomic64_add atomic_add
#define atomic64_inc atomic_inc
#define atomic64_dec atomic_dec
#define atomic64_inc_return atomic_inc_return
#define atomic64_add_return atomic_add_return
#define smp_mb__before_atomic() smp_mb()
#define smp_mb__after_atomic() smp_mb()
#define cmpxchg(p, old, fresh) __sync_val_compare_and_swap(p, old, fresh)
#define xchg(p, fresh) __atomic_exchange_n(p, fresh, __ATOMIC_SEQ_CST)

#define KV_BITS (8 * sizeof(unsigned long))
#define BITS_PER_LONG ((int)KV_BITS)
#define BITS_TO_LONGS(n) DIV_ROUND_UP(n, KV_BITS)
#define DECLARE_BITMAP(name, bits) unsigned long name[BITS_TO_LONGS(bits)]
static inline void set_bit(long n, volatile unsigned long* bits) {
  __atomic_fetch_or(&bits[n / KV_BITS], 1UL << n % KV_BITS, __ATOMIC_SEQ_CST);
}
static inline void clear_bit(long n, volatile unsigned long* bits) {
  __atomic_fetch_and(&bits[n / KV_BITS], ~(1UL << n % KV_BITS), __ATOMIC_SEQ_CST);
}
static inline int test_bit(long n, const volatile unsigned long* bits) { return bits[n / KV_BITS] >> n % KV_BITS & 1; }
static inline int test_and_set_bit(long n, volatile unsigned long* bits) {
  return __atomic_fetch_or(&bits[n / KV_BITS], 1UL << n % KV_BITS, __ATOMIC_SEQ_CST) >> n % KV_BITS & 1;
}
static inline int test_and_clear_bit(long n, volatile unsigned long* bits) {
  return __atomic_fetch_and(&bits[n / KV_BITS], ~(1UL << n % KV_BITS), __ATOMIC_SEQ_CST) >> n % KV_BITS & 1;
}

/* Reference counts. */
typedef struct {
  atomic_t refs;
} refcount_t;
#define REFCOUNT_INIT(n) \
  { ATOMIC_INIT(n) }
#define refcount_set(r, n) atomic_set(&(r)->refs, n)
#define refcount_read(r) atomic_read(&(r)->refs)
#define refcount_inc(r) atomic_inc(&(r)->refs)
#define refcount_dec_and_test(r) atomic_dec_and_test(&(r)->refs)
#define refcount_inc_not_zero(r) atomic_inc_not_zero(&(r)->refs)
struct kref {
  atomic_t refs;
};
static inline void kref_init(struct kref* ref) { atomic_set(&ref->refs, 1); }
static inline void kref_get(struct kref* ref) { atomic_inc(&ref->refs); }
static inline int kref_put(struct kref* ref, void (*release)(struct kref*)) {
  if (!atomic_dec_and_test(&ref->refs)) return 0;
  release(ref);
  return 1;
}

/* A wait queue is a number that every wake-up changes. A waiter says where it waits and reads the number, looks at its
 * condition, and sleeps only while the number is still what it read: the condition is evaluated without any lock, and
 * no wake-up is lost. */
struct wait_queue_head {
  u32 wakes;
  u32 sleepers;
};
typedef struct wait_queue_head wait_queue_head_t;
#define DECLARE_WAIT_QUEUE_HEAD(name) wait_queue_head_t name = {0, 0}
#define DECLARE_WAIT_QUEUE_HEAD_ONSTACK DECLARE_WAIT_QUEUE_HEAD
#define __WAIT_QUEUE_HEAD_INITIALIZER(name) \
  { 0, 0 }
static inline void init_waitqueue_head(wait_queue_head_t* queue) { queue->wakes = queue->sleepers = 0; }
static inline int waitqueue_active(wait_queue_head_t* queue) {
  return __atomic_load_n(&queue->sleepers, __ATOMIC_SEQ_CST) != 0;
}
void kv_wake(wait_queue_head_t* queue);
#define wake_up(queue) kv_wake(queue)
#define wake_up_all(queue) kv_wake(queue)
#define wake_up_interruptible(queue) kv_wake(queue)
#define wake_up_interruptible_all(queue) kv_wake(queue)

/* From kv_wait_begin to kv_wait_end wake_up_process, kthread_stop and signals find this thread. */
u32 kv_wait_begin(wait_queue_head_t* queue);
void kv_wait_end(void);
/** Sleeps until the queue is woken, `end` (of kv_deadline; 0 for never) has passed or, if interruptible, a signal came.
 * Gives 0, -ETIMEDOUT or -ERESTARTSYS. */
int kv_sleep(wait_queue_head_t* queue, u32 seen, u64 end, int interruptible);
u64 kv_deadline(long timeout); /* of jiffies from now, in monotonic nanoseconds */
long kv_jiffies_left(u64 end); /* at least 1 until the deadline has passed, then 0 */
#define KV_WAIT(queue, condition, end, interruptible)              \
  __extension__({                                                  \
    int kv_result = 0;                                             \
    for (;;) {                                                     \
      u32 kv_seen = kv_wait_begin(&(queue));                       \
      if (condition) {                                             \
        kv_result = 0;                                             \
        break;                                                     \
      }                                                            \
      if (kv_result) break;                                        \
      kv_result = kv_sleep(&(queue), kv_seen, end, interruptible); \
    }                                                              \
    kv_wait_end();                                                 \
    kv_result;                                                     \
  })
#define KV_WAIT_TIMEOUT(queue, condition, timeout, interruptible)                      \
  __extension__({                                                                      \
    u64 kv_end = kv_deadline(timeout);                                                 \
    int kv_why = KV_WAIT(queue, condition, kv_end, interruptible);                     \
    long kv_left = kv_jiffies_left(kv_end);                                            \
    kv_why == 0 ? (kv_left ? kv_left : 1L) : kv_why == -ETIMEDOUT ? 0L : (long)kv_why; \
  })
#define wait_event(queue, condition) ((void)KV_WAIT(queue, condition, 0, 0))
#define wait_event_interruptible(queue, condition) KV_WAIT(queue, condition, 0, 1)
#define wait_event_killable wait_event_interruptible
#define wait_event_timeout(queue, condition, timeout) KV_WAIT_TIMEOUT(queue, condition, timeout, 0)
#define wait_event_interruptible_timeout(queue, condition, timeout) KV_WAIT_TIMEOUT(queue, condition, timeout, 1)

struct completion {
  unsigned int done;
};
#define COMPLETION_INITIALIZER(name) \
  { 0 }
#define DECLARE_COMPLETION(name) struct completion name = COMPLETION_INITIALIZER(name)
#define DECLARE_COMPLETION_ONSTACK DECLARE_COMPLETION
static inline void init_completion(struct completion* c) { c->done = 0; }
static inline void reinit_completion(struct completion* c) { c->done = 0; }
#define INIT_COMPLETION(c) ((c).done = 0)
void complete(struct completion* c) KV_SYMBOL(complete);
void complete_all(struct completion* c) KV_SYMBOL(complete_all);
bool try_wait_for_completion(struct completion* c) KV_SYMBOL(try_wait_for_completion);
/* As kv_sleep. Whoever has waited may free the completion at once. */
int kv_wait_completion(struct completion* c, u64 end, int interruptible);
long kv_wait_completion_timeout(struct completion* c, long timeout, int interruptible);
#define wait_for_completion(c) ((void)kv_wait_completion(c, 0, 0))
#define wait_for_completion_interruptible(c) kv_wait_completion(c, 0, 1)
#define wait_for_completion_killable wait_for_completion_interruptible
#define wait_for_completion_timeout(c, timeout) ((unsigned long)kv_wait_completion_timeout(c, (long)(timeout), 0))
#define wait_for_completion_interruptible_timeout(c, timeout) kv_wait_completion_timeout(c, (long)(timeout), 1)
#define completion_done(c) (READ_ONCE((c)->done) != 0)

struct semaphore {
  int count;
  wait_queue_head_t wait;
};
bool kv_down(struct semaphore* s);
void up(struct semaphore* s) KV_SYMBOL(up);
#define sema_init(s, n) ((s)->count = (n), init_waitqueue_head(&(s)->wait))
#define init_MUTEX(s) sema_init(s, 1)
#define init_MUTEX_LOCKED(s) sema_init(s, 0)
#if KV_UNTIL(2, 6, 37)
#define DECLARE_MUTEX(name) struct semaphore name = {1, {0, 0}}
#endif
#define DEFINE_SEMAPHORE(...) KV_ARITY(KV_DEFINE_SEMAPHORE, __VA_ARGS__)
#define KV_DEFINE_SEMAPHORE1(name) struct semaphore name = {1, {0, 0}}
#define KV_DEFINE_SEMAPHORE2(name, n) struct semaphore name = {n, {0, 0}}
#define down(s) wait_event((s)->wait, kv_down(s))
#define down_interruptible(s) wait_event_interruptible((s)->wait, kv_down(s))
#define down_trylock(s) (!kv_down(s))

/* Readers of RCU hold one lock for reading; synchronize_rcu waits for them. */
void rcu_read_lock(void) KV_SYMBOL(rcu_read_lock);
void rcu_read_unlock(void) KV_SYMBOL(rcu_read_unlock);
void synchronize_rcu(void) KV_SYMBOL(synchronize_rcu);
#define rcu_dereference(p) __atomic_load_n(&(p), __ATOMIC_CONSUME)
#define rcu_assign_pointer(p, v) __atomic_store_n(&(p), (v), __ATOMIC_RELEASE)

#endif
