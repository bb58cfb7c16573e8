/* SPDX-License-Identifier: BSD-2-Clause */
/* Servers that fork for each connection. What a process has made of rsockets is of no use to its children, so where
 * RDMAV_FORK_SAFE is set, on both sides, connections are made by TCP, and the process that first uses one makes it an
 * rsocket's: rsocket(7).
 *
 *   accepted side: listens at a port of its own  --Invitation-->  connecting side: connects to it
 *                                                <---'y', 'n'---  or stays with TCP
 *
 * Each side does its half at its first use, and waits for the other's. */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <rdma/rsocket.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "preload.h"

#define MAGIC 0x76627266 /* "vbrf" */

struct invitation {
  uint32_t magic;
  uint16_t port; /* 0: no device here */
  uint16_t reserved;
};

enum { NONE, STREAM, CONNECTING, ACCEPTED, BUSY };

static _Atomic unsigned char phases[MAX_FDS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void start_anew(void) {
  pthread_mutex_init(&lock, NULL);
  pthread_cond_init(&changed, NULL);
}

int preload_forks(void) {
  static _Atomic int known; /* 0: not yet */
  int answer = atomic_load(&known);
  if (answer) return answer > 0;
  answer = getenv("RDMAV_FORK_SAFE") || getenv("IBV_FORK_SAFE") ? 1 : -1;
  if (answer > 0 && atomic_load(&known) == 0) pthread_atfork(NULL, NULL, start_anew);
  atomic_store(&known, answer);
  return answer > 0;
}

static unsigned char phase(int fd) {
  return fd >= 0 && fd < MAX_FDS ? atomic_load_explicit(&phases[fd], memory_order_relaxed) : NONE;
}

int preload_deferred(int fd) { return phase(fd) > STREAM; }
void preload_defer(int fd) { atomic_store(&phases[fd], STREAM); }

void preload_defer_connecting(int fd) {
  if (phase(fd) == STREAM) atomic_store(&phases[fd], CONNECTING);
}

void preload_defer_accepted(int listener, int fd) {
  if (phase(listener) == STREAM && fd >= 0 && fd < MAX_FDS) atomic_store(&phases[fd], ACCEPTED);
}

void preload_undefer(int fd) {
  if (phase(fd)) atomic_store(&phases[fd], NONE);
}

/* --- the exchange ------------------------------------------------------------------------------------------------ */

/* The kernel's socket may be nonblocking; this waits. -1: it cannot. */
static int wait_for_input(int fd) {
  struct pollfd input = {fd, POLLIN, 0};
  int found;
  do {
    found = REAL(poll)(&input, 1, -1);
  } while (found < 0 && errno == EINTR);
  return found;
}

static char read_answer(int fd) {
  char answer = 'n';
  if (wait_for_input(fd) < 0 || REAL(recv)(fd, &answer, 1, MSG_DONTWAIT) != 1) return 'n';
  return answer;
}

/* False: what comes is no invitation, and stays. */
static int read_invitation(int fd, struct invitation* invitation) {
  if (wait_for_input(fd) < 0) return 0;
  ssize_t size = REAL(recv)(fd, invitation, sizeof *invitation, MSG_PEEK | MSG_DONTWAIT);
  if (size != sizeof *invitation || invitation->magic != MAGIC) return 0;
  return REAL(recv)(fd, invitation, sizeof *invitation, MSG_DONTWAIT) == sizeof *invitation;
}

typedef __typeof__(&getsockname) name_call;

/* An IPv4 address in IPv6 clothes is IPv4's. */
static int plain_name(name_call call, int fd, struct sockaddr_storage* name) {
  socklen_t size = sizeof *name;
  if (call(fd, (struct sockaddr*)name, &size) != 0) return -1;
  struct sockaddr_in6* v6 = (struct sockaddr_in6*)name;
  if (name->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) return 0;
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = v6->sin6_port};
  memcpy(&v4.sin_addr, &v6->sin6_addr.s6_addr[12], sizeof v4.sin_addr);
  memcpy(name, &v4, sizeof v4);
  return 0;
}

/* The port stands at the same place in both. */
static uint16_t* port_in(struct sockaddr_storage* name) { return &((struct sockaddr_in*)name)->sin_port; }

static socklen_t size_of(const struct sockaddr_storage* name) {
  return name->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static int same_host(struct sockaddr_storage* one, struct sockaddr_storage* other) {
  *port_in(one) = *port_in(other);
  if (one->ss_family != other->ss_family) return 0;
  if (one->ss_family == AF_INET)
    return ((struct sockaddr_in*)one)->sin_addr.s_addr == ((struct sockaddr_in*)other)->sin_addr.s_addr;
  return IN6_ARE_ADDR_EQUAL(&((struct sockaddr_in6*)one)->sin6_addr, &((struct sockaddr_in6*)other)->sin6_addr);
}

/* Whoever connects to the port comes from the host of the connection. */
static int accept_at(int listener, int fd) {
  struct sockaddr_storage wanted, came;
  int rfd = raccept(listener, NULL, NULL);
  if (rfd < 0) return -1;
  if (plain_name(REAL(getpeername), fd, &wanted) == 0 && plain_name(rgetpeername, rfd, &came) == 0 &&
      same_host(&wanted, &came))
    return rfd;
  rclose(rfd);
  return -1;
}

static int listen_beside(int fd, struct invitation* invitation) {
  struct sockaddr_storage here;
  if (plain_name(REAL(getsockname), fd, &here) != 0) return -1;
  *port_in(&here) = 0;
  int listener = rsocket(here.ss_family, SOCK_STREAM, 0);
  if (listener < 0) return -1;
  if (rbind(listener, (struct sockaddr*)&here, size_of(&here)) == 0 && rlisten(listener, 1) == 0 &&
      plain_name(rgetsockname, listener, &here) == 0) {
    invitation->port = *port_in(&here);
    return listener;
  }
  rclose(listener);
  return -1;
}

/* The accepted side's half. The rsocket, or -1. */
static int invite(int fd) {
  struct invitation invitation = {MAGIC, 0, 0};
  int listener = listen_beside(fd, &invitation), rfd = -1;
  ssize_t sent = REAL(send)(fd, &invitation, sizeof invitation, MSG_NOSIGNAL);
  if (listener < 0) return -1;
  struct pollfd both[2] = {{listener, POLLIN, 0}, {fd, POLLIN, 0}};
  while (sent == sizeof invitation && preload_rpoll(both, 2, -1) < 0 && errno == EINTR) {
  }
  /* Until it is accepted, the other side has nothing good to say. */
  if (both[0].revents) rfd = accept_at(listener, fd);
  char answer = sent == sizeof invitation ? read_answer(fd) : 'n';
  rclose(listener);
  if (rfd < 0 && answer == 'y') REAL(shutdown)(fd, SHUT_RDWR); /* the two do not agree on how to go on */
  if (rfd < 0 || answer == 'y') return rfd;
  rclose(rfd);
  return -1;
}

/* From the address that TCP has: the other side looks at it. */
static int connect_to(int fd, struct sockaddr_storage* there) {
  struct sockaddr_storage here;
  if (plain_name(REAL(getsockname), fd, &here) != 0) return -1;
  *port_in(&here) = 0;
  int rfd = rsocket(there->ss_family, SOCK_STREAM, 0);
  if (rfd < 0) return -1;
  int status = rbind(rfd, (struct sockaddr*)&here, size_of(&here));
  if (status == 0) status = rconnect(rfd, (struct sockaddr*)there, size_of(there));
  if (status != 0 && errno == EINTR) {
    struct pollfd done = {rfd, POLLOUT, 0};
    socklen_t size = sizeof status;
    while (preload_rpoll(&done, 1, -1) < 0 && errno == EINTR) {
    }
    rgetsockopt(rfd, SOL_SOCKET, SO_ERROR, &status, &size);
  }
  if (status == 0) return rfd;
  rclose(rfd);
  return -1;
}

/* The connecting side's half. */
static int follow(int fd) {
  struct invitation invitation;
  struct sockaddr_storage there;
  if (!read_invitation(fd, &invitation) || !invitation.port) return -1;
  int rfd = -1;
  if (plain_name(REAL(getpeername), fd, &there) == 0) {
    *port_in(&there) = invitation.port;
    rfd = connect_to(fd, &there);
  }
  REAL(send)(fd, rfd < 0 ? "n" : "y", 1, MSG_NOSIGNAL);
  return rfd;
}

/* --- at the first use -------------------------------------------------------------------------------------------- */

static int is_connected(int fd) {
  struct sockaddr_storage there;
  return plain_name(REAL(getpeername), fd, &there) == 0;
}

/* Only one thread does it; the others wait. NONE: it is done. */
static unsigned char begin(int fd) {
  pthread_mutex_lock(&lock);
  while (phase(fd) == BUSY) pthread_cond_wait(&changed, &lock);
  unsigned char was = phase(fd);
  if (was > STREAM) atomic_store(&phases[fd], BUSY);
  pthread_mutex_unlock(&lock);
  return was > STREAM ? was : NONE;
}

static void end(int fd, unsigned char next) {
  pthread_mutex_lock(&lock);
  atomic_store(&phases[fd], next);
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
}

void preload_promote(int fd) {
  if (!preload_deferred(fd)) return;
  int error = errno;
  unsigned char was = begin(fd);
  if (was == CONNECTING && !is_connected(fd)) {
    end(fd, CONNECTING);
  } else if (was != NONE) {
    int rfd = was == ACCEPTED ? invite(fd) : follow(fd);
    if (rfd >= 0 && preload_adopt(fd, rfd) == 0) REAL(shutdown)(fd, SHUT_RDWR); /* it has served its purpose */
    end(fd, NONE);
  }
  errno = error;
}
