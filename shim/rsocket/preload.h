/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of librspreload.so share. */
#ifndef VERBATIM_RSOCKET_PRELOAD_H
#define VERBATIM_RSOCKET_PRELOAD_H

#include <dlfcn.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>

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

/* The descriptor is the kernel's again. */
HIDDEN void preload_forget(int fd);
/* The descriptor becomes the rsocket's, which waits or not as the kernel's does. -1: there is no room. */
HIDDEN int preload_adopt(int fd, int rfd);

/* preload_connect.c. An rsocket is being connected; no longer. */
HIDDEN void preload_begin_attempt(int fd, const struct sockaddr* address, socklen_t length);
HIDDEN void preload_end_attempt(int fd);
/* Whether it could not be connected: then it is the kernel's now, and TCP is trying. To be asked when it has news. */
HIDDEN int preload_fell_back(int fd);
/* What TCP said at once, or 0; once. */
HIDDEN int preload_take_failure(int fd);

/* preload_fork.c. Whether connections are made by who uses them. */
HIDDEN int preload_forks(void);
HIDDEN void preload_defer(int fd);
HIDDEN void preload_defer_connecting(int fd);
HIDDEN void preload_defer_accepted(int listener, int fd);
HIDDEN void preload_undefer(int fd);
HIDDEN int preload_deferred(int fd); /* connected, or on the way, and not used yet */
HIDDEN void preload_promote(int fd); /* it is to be used now */

/* The rsocket behind `fd` whose use begins, or -1. */
static inline int used(int fd) {
  preload_promote(fd);
  return mapped(fd);
}

/* preload_epoll.c. The program has moved data, or tried to; has closed a descriptor. */
HIDDEN void preload_used(int fd);
HIDDEN void preload_closed(int fd);

#endif
