/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections that are made while the program does something else. When rsockets cannot make one, the kernel's TCP
 * tries, and the program goes on waiting: it learns of the end only. */
#include <errno.h>
#include <rdma/rsocket.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "preload.h"

struct attempt {
  socklen_t length;
  struct sockaddr_storage address;
};

static struct attempt* _Atomic attempts[MAX_FDS]; /* where to; NULL: none is under way */
static _Atomic int failures[MAX_FDS];             /* what TCP said at once, until the program asks */

void preload_begin_attempt(int fd, const struct sockaddr* address, socklen_t length) {
  struct attempt* attempt = length <= sizeof attempt->address ? malloc(sizeof *attempt) : NULL;
  if (!attempt) return; /* it can still be an rsocket's */
  attempt->length = length;
  memcpy(&attempt->address, address, length);
  free(atomic_exchange(&attempts[fd], attempt));
}

void preload_end_attempt(int fd) {
  if (fd < 0 || fd >= MAX_FDS) return;
  if (atomic_load_explicit(&attempts[fd], memory_order_relaxed)) free(atomic_exchange(&attempts[fd], NULL));
  atomic_store_explicit(&failures[fd], 0, memory_order_relaxed);
}

/* An error is taken by who asks for it: nobody must have asked before. */
static int failed(int rfd) {
  int error = 0;
  socklen_t size = sizeof error;
  return rgetsockopt(rfd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error != 0;
}

static int connected(int rfd) {
  struct sockaddr_storage address;
  socklen_t size = sizeof address;
  return rgetpeername(rfd, (struct sockaddr*)&address, &size) == 0;
}

int preload_fell_back(int fd) {
  int rfd = mapped(fd);
  if (rfd < 0 || !atomic_load_explicit(&attempts[fd], memory_order_relaxed)) return 0;
  int fails = failed(rfd);
  if (!fails && !connected(rfd)) return 0;
  struct attempt* attempt = atomic_exchange(&attempts[fd], NULL);
  if (fails && attempt) {
    preload_forget(fd);
    int status = REAL(connect)(fd, (struct sockaddr*)&attempt->address, attempt->length);
    atomic_store(&failures[fd], status == 0 || errno == EINPROGRESS ? 0 : errno);
  }
  free(attempt);
  return fails;
}

int preload_take_failure(int fd) { return fd >= 0 && fd < MAX_FDS ? atomic_exchange(&failures[fd], 0) : 0; }
