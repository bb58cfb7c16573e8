/* SPDX-License-Identifier: BSD-2-Clause */
/* epoll for programs that know sockets only. A set of the kernel's cannot watch an rsocket, so those of the program's
 * watches that are on one are kept beside it, and a wait is an rpoll of them and of the set. A listener is watched by
 * both. What has fallen back to TCP goes over to the kernel's set.
 *
 * An edge-triggered watch reports again what it has reported only after the program has used the descriptor: that may
 * tell more often than the kernel does, and never less often to a program that reads until there is no more. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "preload.h"

#define ASKED (EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLRDNORM | EPOLLWRNORM)
#define ENDED (EPOLLERR | EPOLLHUP)
#define KICKED (-2)

struct watch {
  struct watch* next;
  int fd;
  int in_kernel; /* a listener's other half */
  struct epoll_event event;
  uint32_t reported; /* edge-triggered: since when `uses` was this */
  unsigned uses;
};

struct set {
  struct set* next;
  int epfd;
  int kick; /* an eventfd in the kernel's set: the watches have changed */
  struct watch* first;
};

/* What is called with the lock held. dlsym takes the loader's lock, with which libraries' constructors may call us. */
static struct {
  __typeof__(&epoll_ctl) epoll_ctl;
  __typeof__(&read) read;
  __typeof__(&write) write;
  __typeof__(&close) close;
} real;

static void resolve(void) {
  if (real.close) return;
  real.epoll_ctl = REAL(epoll_ctl);
  real.read = REAL(read);
  real.write = REAL(write);
  real.close = REAL(close);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct set* sets; /* never freed: a wait may have it */
static _Atomic int any_set;
static _Atomic int watched[MAX_FDS];   /* how many watches there are on a descriptor of the program's */
static _Atomic unsigned uses[MAX_FDS]; /* how often it was used */
static _Atomic int is_set[MAX_FDS];    /* an epoll set with watches of ours */
static _Atomic int held_back[MAX_FDS]; /* a wait does not look at all that may come */

static int in_range(int fd) { return fd >= 0 && fd < MAX_FDS; }

static struct set* find_set(int epfd) {
  struct set* set = sets;
  while (set && set->epfd != epfd) set = set->next;
  return set;
}

/* A forked child must not find it taken. */
static void take_lock(void) { pthread_mutex_lock(&lock); }
static void release_lock(void) { pthread_mutex_unlock(&lock); }

static struct set* make_set(int epfd) {
  struct set* set = find_set(epfd);
  if (set) return set;
  errno = EBADF;
  if (!in_range(epfd)) return NULL;
  set = calloc(1, sizeof *set);
  if (!set) return NULL;
  set->epfd = epfd;
  set->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  struct epoll_event event = {EPOLLIN, {.ptr = set}};
  if (set->kick < 0 || real.epoll_ctl(epfd, EPOLL_CTL_ADD, set->kick, &event) != 0) {
    if (set->kick >= 0) real.close(set->kick);
    free(set);
    return NULL;
  }
  set->next = sets;
  sets = set;
  atomic_store(&is_set[epfd], 1);
  if (!atomic_exchange(&any_set, 1)) pthread_atfork(take_lock, release_lock, release_lock);
  return set;
}

static struct watch** find_watch(struct set* set, int fd) {
  struct watch** at = &set->first;
  while (*at && (*at)->fd != fd) at = &(*at)->next;
  return at;
}

static void drop(struct watch** at) {
  struct watch* gone = *at;
  *at = gone->next;
  atomic_fetch_sub(&watched[gone->fd], 1);
  free(gone);
}

static void kick(const struct set* set) {
  uint64_t one = 1;
  if (set->epfd < 0) return;                               /* its kick may be anybody's descriptor by now */
  if (real.write(set->kick, &one, sizeof one) < 0) return; /* full: it is kicked already */
}

/* `events` without the kick; KICKED when that was all. */
static int without_kick(struct epoll_event* events, int found) {
  if (found <= 0 || !atomic_load_explicit(&any_set, memory_order_acquire)) return found;
  pthread_mutex_lock(&lock);
  int kept = 0;
  for (int i = 0; i < found; ++i) {
    struct set* set = sets;
    while (set && events[i].data.ptr != set) set = set->next;
    uint64_t kicks;
    if (!set)
      events[kept++] = events[i];
    else if (real.read(set->kick, &kicks, sizeof kicks) < 0)
      continue; /* another thread has taken it */
  }
  pthread_mutex_unlock(&lock);
  return kept ? kept : KICKED;
}

void preload_used(int fd) {
  if (!in_range(fd) || !atomic_load_explicit(&watched[fd], memory_order_relaxed)) return;
  atomic_fetch_add(&uses[fd], 1);
  if (!atomic_exchange(&held_back[fd], 0)) return;
  pthread_mutex_lock(&lock);
  for (struct set* set = sets; set; set = set->next) kick(set);
  pthread_mutex_unlock(&lock);
}

/* The number may come to stand for another set. */
static void forget_set(int epfd) {
  struct set* set = find_set(epfd);
  if (!set) return;
  while (set->first) drop(&set->first);
  real.close(set->kick);
  set->epfd = -1;
  atomic_store(&is_set[epfd], 0);
}

void preload_closed(int fd) {
  if (!in_range(fd) || !(atomic_load(&watched[fd]) || atomic_load(&is_set[fd]))) return;
  pthread_mutex_lock(&lock);
  for (struct set* set = sets; set; set = set->next) {
    struct watch** at = find_watch(set, fd);
    if (*at) drop(at);
  }
  forget_set(fd);
  pthread_mutex_unlock(&lock);
}

/* --- what is watched --------------------------------------------------------------------------------------------- */

static int add(struct set* set, int fd, const struct epoll_event* event) {
  if (*find_watch(set, fd)) return EEXIST;
  struct watch* watch = calloc(1, sizeof *watch);
  if (!watch) return ENOMEM;
  watch->fd = fd;
  watch->event = *event;
  watch->next = set->first;
  set->first = watch;
  atomic_fetch_add(&watched[fd], 1);
  return 0;
}

static int change(struct set* set, int operation, int fd, struct epoll_event* event) {
  struct watch** at = find_watch(set, fd);
  if (operation == EPOLL_CTL_ADD) return add(set, fd, event);
  if (!*at) return ENOENT;
  if ((*at)->in_kernel) real.epoll_ctl(set->epfd, operation, fd, event);
  if (operation == EPOLL_CTL_DEL) {
    drop(at);
  } else {
    (*at)->event = *event;
    (*at)->reported = 0;
  }
  return 0;
}

int epoll_ctl(int epfd, int operation, int fd, struct epoll_event* event) {
  if (!in_range(fd) || (!known(fd) && !preload_deferred(fd) && !atomic_load(&watched[fd])))
    return REAL(epoll_ctl)(epfd, operation, fd, event);
  preload_promote(fd);
  resolve();
  pthread_mutex_lock(&lock);
  struct set* set = make_set(epfd);
  int kernels = set && !known(fd) && !preload_deferred(fd) && !*find_watch(set, fd);
  int error = set ? 0 : errno;
  if (set && !kernels) error = change(set, operation, fd, event);
  if (set) kick(set);
  pthread_mutex_unlock(&lock);
  if (kernels) return REAL(epoll_ctl)(epfd, operation, fd, event);
  if (!error) return 0;
  errno = error;
  return -1;
}

/* --- waiting ----------------------------------------------------------------------------------------------------- */

/* What is asked of the rsocket now; 0: nothing, not even its end. */
static uint32_t asked(struct watch* watch) {
  uint32_t events = watch->event.events;
  if ((events & (ASKED | EPOLLONESHOT)) == EPOLLONESHOT) return 0; /* told once */
  if (!(events & EPOLLET)) return (events & ASKED) | ENDED;
  if (watch->reported) atomic_store(&held_back[watch->fd], 1);
  if (watch->uses != atomic_load(&uses[watch->fd])) watch->reported = 0;
  if (watch->reported & ENDED) return 0;
  return ((events & ASKED) & ~watch->reported) | ENDED;
}

/* The kernel's part of a watch. False: the whole of it has gone there, to stay. */
static int settle(const struct set* set, struct watch* watch) {
  int entry = known(watch->fd), kernels = !entry || (entry & LISTENING);
  if (kernels != watch->in_kernel)
    real.epoll_ctl(set->epfd, kernels ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, watch->fd, &watch->event);
  watch->in_kernel = kernels;
  return entry || preload_deferred(watch->fd);
}

/* Fills in the kernel's set and the rsockets; `fds` has their names in the program. Lock held. */
static nfds_t fill(struct set* set, struct pollfd* polled, int* fds, nfds_t room) {
  nfds_t count = 1;
  polled[0] = (struct pollfd){set->epfd, POLLIN, 0};
  for (struct watch** at = &set->first; *at && count < room;) {
    if (!settle(set, *at)) {
      drop(at);
      continue;
    }
    uint32_t events = known((*at)->fd) ? asked(*at) : 0;
    fds[count] = (*at)->fd;
    if (events) polled[count++] = (struct pollfd){mapped((*at)->fd), (short)(events & ASKED), 0};
    at = &(*at)->next;
  }
  return count;
}

/* Lock held. */
static int report(struct set* set, const struct pollfd* polled, const int* fds, nfds_t count, struct epoll_event* out,
                  int room) {
  int reported = 0;
  for (nfds_t i = 1; i < count && reported < room; ++i) {
    struct watch* watch = polled[i].revents ? *find_watch(set, fds[i]) : NULL;
    uint32_t events = watch ? (uint16_t)polled[i].revents & asked(watch) : 0;
    if (!events) continue;
    out[reported++] = (struct epoll_event){events, watch->event.data};
    watch->uses = atomic_load(&uses[watch->fd]);
    watch->reported |= events;
    if (watch->event.events & EPOLLONESHOT) watch->event.events &= ~(uint32_t)ASKED;
  }
  return reported;
}

static size_t count_watches(const struct set* set) {
  size_t count = 0;
  for (const struct watch* watch = set->first; watch; watch = watch->next) ++count;
  return count;
}

/* One look, for so long. KICKED: look again. */
static int look(struct set* set, struct epoll_event* out, int room, int timeout) {
  pthread_mutex_lock(&lock);
  nfds_t most = 1 + count_watches(set);
  struct pollfd* polled = malloc(most * (sizeof *polled + sizeof(int)));
  int* fds = (int*)(polled + most);
  nfds_t count = polled ? fill(set, polled, fds, most) : 0;
  pthread_mutex_unlock(&lock);
  int found = polled ? preload_rpoll(polled, count, timeout) : -1;
  int error = polled ? errno : ENOMEM;
  for (nfds_t i = 1; i < count && found > 0; ++i) {
    if (polled[i].revents && preload_fell_back(fds[i])) polled[i].revents = 0;
  }
  pthread_mutex_lock(&lock);
  int any = found > 0;
  if (any) found = report(set, polled, fds, count, out, room);
  pthread_mutex_unlock(&lock);
  int kernels = found >= 0 && polled[0].revents;
  free(polled);
  if (kernels && found < room) {
    int more = REAL(epoll_wait)(set->epfd, out + found, room - found, 0);
    more = without_kick(out + found, more);
    found = found ? found + (more > 0 ? more : 0) : more;
  }
  errno = error;
  return any && found == 0 ? KICKED : found;
}

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct set* set_of_ours(int epfd) {
  if (!atomic_load_explicit(&any_set, memory_order_acquire)) return NULL;
  pthread_mutex_lock(&lock);
  struct set* set = find_set(epfd);
  if (set && !set->first) set = NULL;
  pthread_mutex_unlock(&lock);
  return set;
}

/* How long is left of a wait that is to end at `end`. */
static int left_until(int64_t end, int timeout) {
  if (timeout < 0) return timeout;
  int64_t left = end - now_ms();
  return left > 0 ? (int)left : 0;
}

int epoll_wait(int epfd, struct epoll_event* events, int room, int timeout) {
  int64_t end = now_ms() + timeout;
  for (int left = timeout;; left = left_until(end, timeout)) {
    struct set* set = room > 0 ? set_of_ours(epfd) : NULL;
    int found = set ? look(set, events, room, left) : without_kick(events, REAL(epoll_wait)(epfd, events, room, left));
    if (found != KICKED) return found;
  }
}

/* The mask is set for the time of the wait, though not atomically with it. */
int epoll_pwait(int epfd, struct epoll_event* events, int room, int timeout, const sigset_t* mask) {
  sigset_t before;
  if (mask) pthread_sigmask(SIG_SETMASK, mask, &before);
  int found = epoll_wait(epfd, events, room, timeout);
  if (mask) pthread_sigmask(SIG_SETMASK, &before, NULL);
  return found;
}

int epoll_pwait2(int epfd, struct epoll_event* events, int room, const struct timespec* timeout, const sigset_t* mask) {
  int ms = timeout ? (int)(timeout->tv_sec * 1000 + (timeout->tv_nsec + 999999) / 1000000) : -1;
  return epoll_pwait(epfd, events, room, ms, mask);
}
