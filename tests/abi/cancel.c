// SPDX-License-Identifier: BSD-2-Clause
// Threads that wait in ibv_get_cq_event and ibv_get_async_event are ended by pthread_cancel, in C programs too: the
// forced unwinding passes through the library.
#include <infiniband/verbs.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_int waiting_thread;

static void* wait_for_completion(void* channel) {
  struct ibv_cq* cq;
  void* context;
  waiting_thread = gettid();
  ibv_get_cq_event(channel, &cq, &context);
  return NULL;
}

static void* wait_for_event(void* context) {
  struct ibv_async_event event;
  waiting_thread = gettid();
  ibv_get_async_event(context, &event);
  return NULL;
}

/// Whether the kernel has the thread asleep in read(2): it is inside the blocking call.
static int reads(int thread) {
  char path[64], line[64] = "", wanted[16];
  snprintf(path, sizeof path, "/proc/self/task/%d/syscall", thread);
  snprintf(wanted, sizeof wanted, "%d ", SYS_read);
  FILE* file = fopen(path, "r");
  if (!file) return 0;
  int asleep = fgets(line, sizeof line, file) && strncmp(line, wanted, strlen(wanted)) == 0;
  fclose(file);
  return asleep;
}

static void cancel(const char* what, void* (*body)(void*), void* argument) {
  pthread_t thread;
  void* result = NULL;
  waiting_thread = 0;
  pthread_create(&thread, NULL, body, argument);
  while (!reads(waiting_thread)) sched_yield();
  pthread_cancel(thread);
  pthread_join(thread, &result);
  printf("%s %s\n", what, result == PTHREAD_CANCELED ? "cancelled" : "returned");
  fflush(stdout);
}

int main(void) {
  struct ibv_device** list = ibv_get_device_list(NULL);
  struct ibv_context* context = list && list[0] ? ibv_open_device(list[0]) : NULL;
  struct ibv_comp_channel* channel = context ? ibv_create_comp_channel(context) : NULL;
  if (!channel) return 2;
  cancel("completion", wait_for_completion, channel);
  cancel("event", wait_for_event, context);
  printf("destroy %d\n", ibv_destroy_comp_channel(channel));
  printf("close %d\n", ibv_close_device(context));
  ibv_free_device_list(list);
  return 0;
}
