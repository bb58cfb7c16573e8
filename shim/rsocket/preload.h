/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of librspreload.so share. */
#ifndef VERBATIM_RSOCKET_PRELOAD_H
#define VERBATIM_RSOCKET_PRELOAD_H

#include <dlfcn.h>
#include <poll.h>
#include <stdatomic.h>

#define MAX_FDS 65536
#define LISTENING (1 << 30)
#define HIDDEN __attribute__((visibility("hidden")))

#define REAL(name)                                           \
  ({                                                         \
    static _Atomic(__typeof__(&name)) real_##name;           \
    if (!real_##name) real_##name = dlsym(RTLD_NEXT, #name); \
    real_##name;                                             \
  })

/* By the program's descriptor: 0, or the rsocket's descriptor + 1, perhaps with LISTENING. Nothing is freed, so that
 * calls race with close as harmlessly as they do on kernel sockets. */
extern HIDDEN _Atomic int preload_sockets[MAX_FDS];

static inline int known(int fd) { return fd >= 0 && fd < MAX_FDS ? atomic_load(&preload_sockets[fd]) : 0; }
static inline int rsocket_of(int entry) { return (entry & ~LISTENING) - 1; }
/* The rsocket behind `fd`, or -1. */
static inline int mapped(int fd) {
  int entry = known(fd);
  return entry ? rsocket_of(entry) : -1;
}

/* rpoll, which asks the kernel by poll(2), also about the kernel's half of a listener. */
HIDDEN int preload_rpoll(struct pollfd* fds, nfds_t count, int timeout);

/* preload_epoll.c. The program has moved data, or tried to; has closed a descriptor. */
HIDDEN void preload_used(int fd);
HIDDEN void preload_closed(int fd);

#endif
