/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef KVERBS_THREAD_H
#define KVERBS_THREAD_H
#include <kverbs/task.h>

/** Starts a thread that no signal of the process is delivered to; 0 or a negative errno. */
int kv_start_thread(pthread_t* thread, void* (*function)(void*), void* data);

/** What ^C is to the runner: signal_pending(task) is true from now on, and an interruptible sleep ends. */
void kv_signal(struct task_struct* task);

/** The library's own work queue. */
struct workqueue_struct* kv_library_wq(void);

#endif
