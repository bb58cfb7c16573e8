/* SPDX-License-Identifier: BSD-2-Clause */
/* librspreload.so: lets a program that knows sockets only run over rsockets. rsocket(7).
 *
 * A stream socket of the program keeps its kernel socket, under the descriptor that the program knows, and gets an
 * rsocket beside it. Calls on the descriptor go to the rsocket, until a connection that rsockets cannot make is made by
 * the kernel's TCP instead. A listener accepts from both. Datagram sockets and sockets that a forked child inherits
 * stay with the kernel. */
#include "preload.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <rdma/rsocket.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

_Atomic int preload_sockets[MAX_FDS];
/* By the rsocket's descriptor: how many of the program's descriptors name it. */
static _Atomic unsigned short names[MAX_FDS];

static _Thread_local int inside;

int preload_rpoll(struct pollfd* fds, nfds_t count, int timeout) {
  ++inside;
  int found = rpoll(fds, count, timeout);
  --inside;
  return found;
}

static void name_it(int fd, int rfd) {
  atomic_fetch_add(&names[rfd], 1);
  atomic_store(&preload_sockets[fd], rfd + 1);
}

void preload_forget(int fd) {
  int entry = fd >= 0 && fd < MAX_FDS ? atomic_exchange(&preload_sockets[fd], 0) : 0;
  if (!entry) return;
  int rfd = rsocket_of(entry);
  if (atomic_fetch_sub(&names[rfd], 1) == 1) rclose(rfd);
}

/* The descriptor comes to stand for something else. */
static void forget_all(int fd) {
  preload_closed(fd);
  preload_end_attempt(fd);
  preload_undefer(fd);
  preload_forget(fd);
}

int preload_adopt(int fd, int rfd) {
  if (rfd >= MAX_FDS) {
    rclose(rfd);
    return -1;
  }
  int flags = REAL(fcntl)(fd, F_GETFL);
  if (flags >= 0 && (flags & O_NONBLOCK)) rfcntl(rfd, F_SETFL, O_NONBLOCK);
  name_it(fd, rfd);
  preload_used(fd);
  return 0;
}

/* What rsockets stand on must not run over rsockets. */
static int foundation(const void* caller) {
  static const char* const names_of_ours[] = {"libverbatim", "libfabric", "libibverbs",
                                              "librdmacm",   "libefa",    "libpsm"};
  Dl_info info;
  if (!dladdr(caller, &info) || !info.dli_fname) return 0;
  const char* base = strrchr(info.dli_fname, '/');
  base = base ? base + 1 : info.dli_fname;
  for (size_t i = 0; i < sizeof names_of_ours / sizeof *names_of_ours; ++i) {
    if (!strncmp(base, names_of_ours[i], strlen(names_of_ours[i]))) return 1;
  }
  return 0;
}

int socket(int domain, int type, int protocol) {
  int fd = REAL(socket)(domain, type, protocol);
  int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0 || fd >= MAX_FDS || (domain != AF_INET && domain != AF_INET6) || kind != SOCK_STREAM) return fd;
  if ((protocol && protocol != IPPROTO_TCP) || foundation(__builtin_return_address(0))) return fd;
  if (preload_forks()) {
    preload_defer(fd);
    return fd;
  }
  int rfd = rsocket(domain, type & ~SOCK_CLOEXEC, protocol);
  if (rfd >= MAX_FDS)
    rclose(rfd);
  else if (rfd >= 0)
    name_it(fd, rfd);
  return fd;
}

int bind(int fd, const struct sockaddr* address, socklen_t length) {
  int rfd = mapped(fd);
  if (REAL(bind)(fd, address, length) != 0) return -1;
  if (rfd < 0) return 0;
  /* The port that the kernel chose is the rsocket's, too. */
  struct sockaddr_storage bound;
  socklen_t size = sizeof bound;
  if (REAL(getsockname)(fd, (struct sockaddr*)&bound, &size) != 0) return -1;
  if (rbind(rfd, (struct sockaddr*)&bound, size) != 0) preload_forget(fd); /* no device there */
  return 0;
}

/* The rsocket first: who finds TCP's listener finds the other as well. */
int listen(int fd, int backlog) {
  int rfd = mapped(fd);
  if (rfd >= 0 && rlisten(rfd, backlog) == 0)
    atomic_fetch_or(&preload_sockets[fd], LISTENING);
  else if (rfd >= 0)
    preload_forget(fd);
  return REAL(listen)(fd, backlog);
}

/* Waits until a listener has a connection of either kind. Gives its kind: 1 an rsocket's, 0 the kernel's, -1 errno. */
static int wait_for_either(int fd, int rfd) {
  struct pollfd both[2] = {{rfd, POLLIN, 0}, {fd, POLLIN, 0}};
  int nonblocking = rfcntl(rfd, F_GETFL) & O_NONBLOCK;
  if (preload_rpoll(both, 2, nonblocking ? 0 : -1) < 0) return -1;
  return both[0].revents ? 1 : 0;
}

/* A descriptor that the program can know an accepted rsocket by. */
static int placeholder(int rfd) {
  struct sockaddr_storage address;
  socklen_t size = sizeof address;
  if (rgetsockname(rfd, (struct sockaddr*)&address, &size) != 0) address.ss_family = AF_INET;
  int fd = REAL(socket)(address.ss_family, SOCK_STREAM, 0);
  if (fd >= MAX_FDS || rfd >= MAX_FDS || fd < 0) {
    if (fd >= 0) REAL(close)(fd);
    rclose(rfd);
    errno = EMFILE;
    return -1;
  }
  name_it(fd, rfd);
  return fd;
}

int accept4(int fd, struct sockaddr* address, socklen_t* length, int flags) {
  int entry = known(fd);
  if (!(entry & LISTENING)) {
    int accepted = REAL(accept4)(fd, address, length, flags);
    preload_defer_accepted(fd, accepted);
    return accepted;
  }
  int kind = wait_for_either(fd, rsocket_of(entry));
  preload_used(fd);
  if (kind < 0) return -1;
  if (kind == 0) return REAL(accept4)(fd, address, length, flags);
  int rfd = raccept(rsocket_of(entry), address, length);
  if (rfd < 0) return -1;
  if (flags & SOCK_NONBLOCK) rfcntl(rfd, F_SETFL, O_NONBLOCK);
  int accepted = placeholder(rfd);
  if (accepted >= 0 && (flags & SOCK_CLOEXEC)) REAL(fcntl)(accepted, F_SETFD, FD_CLOEXEC);
  return accepted;
}

int accept(int fd, struct sockaddr* address, socklen_t* length) { return accept4(fd, address, length, 0); }

int connect(int fd, const struct sockaddr* address, socklen_t length) {
  int rfd = mapped(fd);
  if (rfd >= 0) {
    int status = rconnect(rfd, address, length), error = errno;
    if (status != 0 && (error == EINPROGRESS || error == EINTR)) preload_begin_attempt(fd, address, length);
    errno = error;
    if (status == 0 || error == EINPROGRESS || error == EISCONN || error == EALREADY || error == EINTR) return status;
    preload_forget(fd); /* nobody there speaks rsockets: perhaps TCP */
  }
  int status = REAL(connect)(fd, address, length);
  if (status == 0 || errno == EINPROGRESS || errno == EINTR) preload_defer_connecting(fd);
  return status;
}

int close(int fd) {
  forget_all(fd);
  return REAL(close)(fd);
}

int shutdown(int fd, int how) {
  int rfd = used(fd);
  return rfd < 0 ? REAL(shutdown)(fd, how) : rshutdown(rfd, how);
}

/* --- descriptors ------------------------------------------------------------------------------------------------- */

static int named_again(int from, int to) {
  int entry = known(from);
  if (to < 0 || to >= MAX_FDS || from == to) return to;
  forget_all(to);
  if (entry) {
    name_it(to, rsocket_of(entry));
    if (entry & LISTENING) atomic_fetch_or(&preload_sockets[to], LISTENING);
  }
  return to;
}

int dup(int fd) {
  preload_promote(fd);
  return named_again(fd, REAL(dup)(fd));
}

int dup2(int fd, int to) {
  preload_promote(fd);
  return named_again(fd, REAL(dup2)(fd, to));
}

int dup3(int fd, int to, int flags) {
  preload_promote(fd);
  return named_again(fd, REAL(dup3)(fd, to, flags));
}

static int control(int fd, int command, long argument) {
  int doubles = command == F_DUPFD || command == F_DUPFD_CLOEXEC;
  int rfd = doubles ? used(fd) : mapped(fd);
  int status = REAL(fcntl)(fd, command, argument);
  if (doubles) return named_again(fd, status);
  if (status >= 0 && rfd >= 0 && command == F_SETFL) return rfcntl(rfd, F_SETFL, argument);
  return status;
}

int fcntl(int fd, int command, ...) {
  va_list list;
  va_start(list, command);
  long argument = va_arg(list, long);
  va_end(list);
  return control(fd, command, argument);
}

int fcntl64(int fd, int command, ...) {
  va_list list;
  va_start(list, command);
  long argument = va_arg(list, long);
  va_end(list);
  return control(fd, command, argument);
}

/* Only what says whether calls wait concerns an rsocket. */
int ioctl(int fd, unsigned long request, ...) {
  va_list list;
  va_start(list, request);
  void* argument = va_arg(list, void*);
  va_end(list);
  int rfd = mapped(fd);
  int status = REAL(ioctl)(fd, request, argument);
  if (rfd < 0 || status != 0 || request != FIONBIO) return status;
  int flags = rfcntl(rfd, F_GETFL) & ~O_NONBLOCK;
  return rfcntl(rfd, F_SETFL, *(int*)argument ? flags | O_NONBLOCK : flags);
}

/* --- data -------------------------------------------------------------------------------------------------------- */

#define FORWARD(type, name, rname, parameters, arguments, rarguments) \
  type name parameters {                                              \
    int rfd = used(fd);                                               \
    if (rfd < 0) return REAL(name) arguments;                         \
    type status = rname rarguments;                                   \
    preload_used(fd);                                                 \
    return status;                                                    \
  }

FORWARD(ssize_t, read, rread, (int fd, void* to, size_t size), (fd, to, size), (rfd, to, size))
FORWARD(ssize_t, readv, rreadv, (int fd, const struct iovec* list, int count), (fd, list, count), (rfd, list, count))
FORWARD(ssize_t, recv, rrecv, (int fd, void* to, size_t size, int flags), (fd, to, size, flags), (rfd, to, size, flags))
FORWARD(ssize_t, recvfrom, rrecvfrom,
        (int fd, void* to, size_t size, int flags, struct sockaddr* from, socklen_t* length),
        (fd, to, size, flags, from, length), (rfd, to, size, flags, from, length))
FORWARD(ssize_t, recvmsg, rrecvmsg, (int fd, struct msghdr* message, int flags), (fd, message, flags),
        (rfd, message, flags))
FORWARD(ssize_t, write, rwrite, (int fd, const void* from, size_t size), (fd, from, size), (rfd, from, size))
FORWARD(ssize_t, writev, rwritev, (int fd, const struct iovec* list, int count), (fd, list, count), (rfd, list, count))
FORWARD(ssize_t, send, rsend, (int fd, const void* from, size_t size, int flags), (fd, from, size, flags),
        (rfd, from, size, flags))
FORWARD(ssize_t, sendto, rsendto,
        (int fd, const void* from, size_t size, int flags, const struct sockaddr* to, socklen_t length),
        (fd, from, size, flags, to, length), (rfd, from, size, flags, to, length))
FORWARD(ssize_t, sendmsg, rsendmsg, (int fd, const struct msghdr* message, int flags), (fd, message, flags),
        (rfd, message, flags))

int getpeername(int fd, struct sockaddr* address, socklen_t* length) {
  int rfd = mapped(fd);
  return rfd < 0 ? REAL(getpeername)(fd, address, length) : rgetpeername(rfd, address, length);
}

int getsockname(int fd, struct sockaddr* address, socklen_t* length) {
  int rfd = mapped(fd);
  return rfd < 0 ? REAL(getsockname)(fd, address, length) : rgetsockname(rfd, address, length);
}

/* What programs call that were compiled with _FORTIFY_SOURCE. */
extern void __chk_fail(void) __attribute__((noreturn));
ssize_t __read_chk(int fd, void* to, size_t size, size_t room) {
  if (size > room) __chk_fail();
  return read(fd, to, size);
}
ssize_t __recv_chk(int fd, void* to, size_t size, size_t room, int flags) {
  if (size > room) __chk_fail();
  return recv(fd, to, size, flags);
}
ssize_t __recvfrom_chk(int fd, void* to, size_t size, size_t room, int flags, struct sockaddr* from,
                       socklen_t* length) {
  if (size > room) __chk_fail();
  return recvfrom(fd, to, size, flags, from, length);
}

static ssize_t send_from_file(int rfd, int file, off_t* offset, size_t size) {
  char buffer[65536];
  size_t done = 0;
  while (done < size) {
    size_t part = size - done < sizeof buffer ? size - done : sizeof buffer;
    ssize_t got = offset ? pread(file, buffer, part, *offset) : REAL(read)(file, buffer, part);
    if (got <= 0) return done ? (ssize_t)done : got;
    ssize_t sent = rsend(rfd, buffer, (size_t)got, 0);
    if (!offset && sent < got) lseek(file, (sent > 0 ? sent : 0) - got, SEEK_CUR);
    if (sent < 0) return done ? (ssize_t)done : sent;
    if (offset) *offset += sent;
    done += (size_t)sent;
    if (sent < got) break;
  }
  return (ssize_t)done;
}

ssize_t sendfile(int fd, int file, off_t* offset, size_t size) {
  int rfd = used(fd);
  return rfd < 0 ? REAL(sendfile)(fd, file, offset, size) : send_from_file(rfd, file, offset, size);
}
ssize_t sendfile64(int fd, int file, off64_t* offset, size_t size) {
  int rfd = used(fd);
  return rfd < 0 ? REAL(sendfile64)(fd, file, offset, size) : send_from_file(rfd, file, (off_t*)offset, size);
}

/* --- options ----------------------------------------------------------------------------------------------------- */

/* Both sockets get an option; what only the kernel's knows must not fail the program. */
int setsockopt(int fd, int level, int name, const void* value, socklen_t length) {
  int rfd = mapped(fd);
  int status = REAL(setsockopt)(fd, level, name, value, length);
  if (rfd < 0 || rsetsockopt(rfd, level, name, value, length) == 0) return rfd < 0 ? status : 0;
  return status;
}

/* Also of a connection that TCP could not make. */
static int take_error(int fd, void* value, socklen_t* length) {
  int failure = preload_fell_back(fd) || !known(fd) ? preload_take_failure(fd) : 0;
  if (!failure || !value || !length || *length < sizeof failure) return 0;
  memcpy(value, &failure, sizeof failure);
  *length = sizeof failure;
  return 1;
}

int getsockopt(int fd, int level, int name, void* value, socklen_t* length) {
  if (level == SOL_SOCKET && name == SO_ERROR && take_error(fd, value, length)) return 0;
  int rfd = mapped(fd);
  if (rfd < 0) return REAL(getsockopt)(fd, level, name, value, length);
  int status = rgetsockopt(rfd, level, name, value, length);
  return status != 0 && errno == ENOPROTOOPT ? REAL(getsockopt)(fd, level, name, value, length) : status;
}

/* --- waiting ----------------------------------------------------------------------------------------------------- */

/* Whether a connection has gone over to TCP, so that all has to be looked at again. */
static int any_fell_back(const struct pollfd* fds, nfds_t count) {
  int any = 0;
  for (nfds_t i = 0; i < count; ++i) any |= fds[i].revents && preload_fell_back(fds[i].fd);
  return any;
}

/* One look. `fds` in the program's descriptors. A listener stands twice in what is waited for. */
static int look(struct pollfd* fds, nfds_t count, int timeout) {
  struct pollfd small[64], *all = 2 * count <= 64 ? small : malloc(2 * count * sizeof *all);
  if (!all) {
    errno = ENOMEM;
    return -1;
  }
  for (nfds_t i = 0; i < count; ++i) {
    int entry = known(fds[i].fd);
    all[i] = all[count + i] = fds[i];
    if (entry) all[i].fd = rsocket_of(entry);
    if (!(entry & LISTENING)) all[count + i].fd = -1;
    all[i].revents = all[count + i].revents = 0;
  }
  int found = preload_rpoll(all, 2 * count, timeout);
  if (found >= 0) found = 0;
  for (nfds_t i = 0; i < count && found >= 0; ++i) {
    fds[i].revents = all[i].revents | all[count + i].revents;
    found += fds[i].revents != 0;
  }
  int error = errno;
  if (all != small) free(all);
  errno = error;
  return found;
}

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int wait_for(struct pollfd* fds, nfds_t count, int timeout) {
  const int64_t end = now_ms() + timeout;
  for (nfds_t i = 0; i < count; ++i) preload_promote(fds[i].fd);
  for (;;) {
    int left = timeout;
    if (timeout > 0) left = end > now_ms() ? (int)(end - now_ms()) : 0;
    int found = look(fds, count, left);
    if (found <= 0 || !any_fell_back(fds, count)) return found;
  }
}

static int any_mapped(const struct pollfd* fds, nfds_t count) {
  for (nfds_t i = 0; i < count; ++i) {
    if (known(fds[i].fd) || preload_deferred(fds[i].fd)) return 1;
  }
  return 0;
}

int poll(struct pollfd* fds, nfds_t count, int timeout) {
  return !inside && any_mapped(fds, count) ? wait_for(fds, count, timeout) : REAL(poll)(fds, count, timeout);
}

int __poll_chk(struct pollfd* fds, nfds_t count, int timeout, size_t room) {
  if (room / sizeof *fds < count) __chk_fail();
  return poll(fds, count, timeout);
}

static int milliseconds(const struct timespec* timeout) {
  return timeout ? (int)(timeout->tv_sec * 1000 + (timeout->tv_nsec + 999999) / 1000000) : -1;
}

/* The mask is set for the time of the wait, though not atomically with it. */
int ppoll(struct pollfd* fds, nfds_t count, const struct timespec* timeout, const sigset_t* mask) {
  if (!any_mapped(fds, count)) return REAL(ppoll)(fds, count, timeout, mask);
  sigset_t before;
  if (mask) pthread_sigmask(SIG_SETMASK, mask, &before);
  int found = wait_for(fds, count, milliseconds(timeout));
  if (mask) pthread_sigmask(SIG_SETMASK, &before, NULL);
  return found;
}

static short wanted(int fd, const fd_set* in, const fd_set* out, const fd_set* extra) {
  return (short)((in && FD_ISSET(fd, in) ? POLLIN : 0) | (out && FD_ISSET(fd, out) ? POLLOUT : 0) |
                 (extra && FD_ISSET(fd, extra) ? POLLPRI : 0));
}

static int put(fd_set* set, const struct pollfd* fd, short asked, short shown) {
  if (!set || !(fd->events & asked)) return 0;
  if (fd->revents & shown) return 1;
  FD_CLR(fd->fd, set);
  return 0;
}

static int wait_for_sets(int count, fd_set* in, fd_set* out, fd_set* extra, int timeout) {
  struct pollfd fds[FD_SETSIZE];
  nfds_t used = 0;
  for (int fd = 0; fd < count && fd < FD_SETSIZE; ++fd) {
    short events = wanted(fd, in, out, extra);
    if (events) fds[used++] = (struct pollfd){fd, events, 0};
  }
  if (wait_for(fds, used, timeout) < 0) return -1;
  int bits = 0;
  for (nfds_t i = 0; i < used; ++i) {
    if (fds[i].revents & POLLNVAL) {
      errno = EBADF;
      return -1;
    }
    bits += put(in, &fds[i], POLLIN, POLLIN | POLLHUP | POLLERR) + put(out, &fds[i], POLLOUT, POLLOUT | POLLERR) +
            put(extra, &fds[i], POLLPRI, POLLPRI);
  }
  return bits;
}

static int any_in_sets(int count, const fd_set* in, const fd_set* out, const fd_set* extra) {
  for (int fd = 0; fd < count && fd < FD_SETSIZE; ++fd) {
    if (wanted(fd, in, out, extra) && (known(fd) || preload_deferred(fd))) return 1;
  }
  return 0;
}

int select(int count, fd_set* in, fd_set* out, fd_set* extra, struct timeval* timeout) {
  if (!any_in_sets(count, in, out, extra)) return REAL(select)(count, in, out, extra, timeout);
  struct timespec limit = {timeout ? timeout->tv_sec : 0, timeout ? timeout->tv_usec * 1000 : 0};
  return wait_for_sets(count, in, out, extra, milliseconds(timeout ? &limit : NULL));
}

int pselect(int count, fd_set* in, fd_set* out, fd_set* extra, const struct timespec* timeout, const sigset_t* mask) {
  if (!any_in_sets(count, in, out, extra)) return REAL(pselect)(count, in, out, extra, timeout, mask);
  sigset_t before;
  if (mask) pthread_sigmask(SIG_SETMASK, mask, &before);
  int bits = wait_for_sets(count, in, out, extra, milliseconds(timeout));
  if (mask) pthread_sigmask(SIG_SETMASK, &before, NULL);
  return bits;
}
