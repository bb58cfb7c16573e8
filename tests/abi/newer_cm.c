// SPDX-License-Identifier: BSD-2-Clause
// A program of the newest release, built with compat-headers: names looked up by an identifier, events of its own, and
// epoll over rsockets. Exits with 0 when all of it was right; says what was not.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <rdma/rdma_cma.h>
#include <rdma/rsocket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) {                                                         \
      fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #condition, errno); \
      exit(1);                                                                  \
    }                                                                           \
  } while (0)

enum { PORT = 7471, PATIENCE_MS = 20000 };

// --- rdma_resolve_addrinfo, rdma_query_addrinfo ------------------------------------------------------------------

static struct rdma_cm_event take(struct rdma_event_channel* channel) {
  struct rdma_cm_event* event;
  CHECK(rdma_get_cm_event(channel, &event) == 0);
  struct rdma_cm_event copy = *event;
  CHECK(rdma_ack_cm_event(event) == 0);
  return copy;
}

static void found_loopback(struct rdma_cm_id* id) {
  struct rdma_addrinfo* info = NULL;
  CHECK(rdma_query_addrinfo(id, &info) == 0 && info);
  const struct sockaddr_in* address = (const struct sockaddr_in*)info->ai_dst_addr;
  CHECK(info->ai_port_space == RDMA_PS_TCP && info->ai_qp_type == IBV_QPT_RC && address->sin_family == AF_INET);
  CHECK(address->sin_addr.s_addr == htonl(INADDR_LOOPBACK) && address->sin_port == htons(PORT));
  rdma_freeaddrinfo(info);
}

static void resolve_names(void) {
  struct rdma_event_channel* channel = rdma_create_event_channel();
  struct rdma_cm_id* id;
  struct rdma_addrinfo* info;
  CHECK(channel && rdma_create_id(channel, &id, NULL, RDMA_PS_TCP) == 0);
  CHECK(rdma_query_addrinfo(id, &info) == -1 && errno == ENODATA);
  struct rdma_addrinfo hints = {.ai_flags = RAI_DNS, .ai_port_space = RDMA_PS_TCP};
  CHECK(rdma_resolve_addrinfo(id, "127.0.0.1", "7471", &hints) == 0);
  struct rdma_cm_event event = take(channel);
  CHECK(event.event == RDMA_CM_EVENT_ADDRINFO_RESOLVED && event.status == 0 && event.id == id);
  found_loopback(id);
  hints.ai_flags = RAI_DNS | RAI_NUMERICHOST;
  CHECK(rdma_resolve_addrinfo(id, "no number", "7471", &hints) == 0);
  event = take(channel);
  CHECK(event.event == RDMA_CM_EVENT_ADDRINFO_ERROR && event.status == EAI_NONAME);
  found_loopback(id);  // what was found last
  hints.ai_flags = RAI_SA;
  CHECK(rdma_resolve_addrinfo(id, "127.0.0.1", NULL, &hints) == -1 && errno == EOPNOTSUPP);
  CHECK(rdma_resolve_addrinfo(id, NULL, NULL, NULL) == -1 && errno == EINVAL);
  // Destroyed while the look-up may still run.
  hints.ai_flags = 0;
  CHECK(rdma_resolve_addrinfo(id, "127.0.0.1", "7471", &hints) == 0);
  CHECK(rdma_destroy_id(id) == 0);
  rdma_destroy_event_channel(channel);
  // Without a channel the call waits.
  CHECK(rdma_create_id(NULL, &id, NULL, RDMA_PS_TCP) == 0);
  CHECK(rdma_resolve_addrinfo(id, "127.0.0.1", "7471", NULL) == 0);
  found_loopback(id);
  CHECK(rdma_destroy_id(id) == 0);
}

// --- rdma_write_cm_event -------------------------------------------------------------------------------------------

static const uint64_t kArgument = 0x5566778899aabbcc;

static void* write_event(void* id) {
  CHECK(rdma_write_cm_event(id, RDMA_CM_EVENT_USER, 77, kArgument) == 0);
  return NULL;
}

/// One thread waits for events, another gives it one.
static void own_events(void) {
  struct rdma_event_channel* channel = rdma_create_event_channel();
  struct rdma_cm_id* id;
  pthread_t writer;
  CHECK(channel && rdma_create_id(channel, &id, NULL, RDMA_PS_TCP) == 0);
  CHECK(pthread_create(&writer, NULL, write_event, id) == 0);
  struct rdma_cm_event event = take(channel);
  CHECK(event.event == RDMA_CM_EVENT_USER && event.status == 77 && event.id == id);
  CHECK(verbatim_event_arg(&event) == kArgument);
  CHECK(strcmp(rdma_event_str(RDMA_CM_EVENT_USER), "RDMA_CM_EVENT_USER") == 0);
  CHECK(rdma_write_cm_event(id, RDMA_CM_EVENT_ESTABLISHED, 0, 0) == -1 && errno == EINVAL);
  pthread_join(writer, NULL);
  CHECK(rdma_destroy_id(id) == 0);
  rdma_destroy_event_channel(channel);
}

// --- repoll --------------------------------------------------------------------------------------------------------

enum { LISTENER = 1, PIPE, PEER };

static struct sockaddr_in server_address = {.sin_family = AF_INET};
static int orders[2], client;

/// The other side: connects, then does what it is told by a letter: s sends, d drains what has come.
static void* other_side(void* unused) {
  (void)unused;
  static char buffer[1 << 16];
  char order;
  client = rsocket(AF_INET, SOCK_STREAM, 0);
  CHECK(rconnect(client, (struct sockaddr*)&server_address, sizeof server_address) == 0);
  while (read(orders[0], &order, 1) == 1) {
    if (order == 's') CHECK(rsend(client, "hello", 5, 0) == 5);
    if (order == 'd') CHECK(rrecv(client, buffer, sizeof buffer, 0) >= 0);
  }
  return NULL;
}

static void tell(char order) { CHECK(write(orders[1], &order, 1) == 1); }

static void control(int set, int operation, int fd, uint32_t events, uint64_t name) {
  struct epoll_event event = {.events = events, .data.u64 = name};
  CHECK(repoll_ctl(set, operation, fd, &event) == 0);
}

static uint32_t wait_for(int set, uint64_t name) {
  struct epoll_event event;
  CHECK(repoll_wait(set, &event, 1, PATIENCE_MS) == 1 && event.data.u64 == name);
  return event.events;
}

static int nothing(int set) {
  struct epoll_event event;
  return repoll_wait(set, &event, 1, 0) == 0;
}

static void receive(int fd, const char* expected) {
  char buffer[16] = "";
  CHECK(rrecv(fd, buffer, strlen(expected), MSG_WAITALL) == (ssize_t)strlen(expected) && strcmp(buffer, expected) == 0);
}

static int listen_somewhere(void) {
  int listener = rsocket(AF_INET, SOCK_STREAM, 0);
  socklen_t length = sizeof server_address;
  server_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(rbind(listener, (struct sockaddr*)&server_address, length) == 0 && rlisten(listener, 4) == 0);
  CHECK(rgetsockname(listener, (struct sockaddr*)&server_address, &length) == 0);
  return listener;
}

static void refuse_mistakes(int set, int listener) {
  struct epoll_event event = {.events = EPOLLIN};
  CHECK(repoll_ctl(set, EPOLL_CTL_ADD, listener, &event) == -1 && errno == EEXIST);
  CHECK(repoll_ctl(orders[0], EPOLL_CTL_ADD, listener, &event) == -1 && errno == EINVAL);
  CHECK(repoll_wait(set, &event, 0, 0) == -1 && errno == EINVAL);
  control(set, EPOLL_CTL_DEL, listener, 0, 0);
  CHECK(repoll_ctl(set, EPOLL_CTL_DEL, listener, &event) == -1 && errno == ENOENT);
}

/// EPOLLOUT is news once; and again when the stream had been full.
static void fill_and_drain(int set, int peer) {
  static char block[1 << 14];
  control(set, EPOLL_CTL_ADD, peer, EPOLLOUT | EPOLLET, PEER);
  CHECK(wait_for(set, PEER) == EPOLLOUT && nothing(set));
  CHECK(rfcntl(peer, F_SETFL, O_NONBLOCK) == 0);
  ssize_t sent;
  while ((sent = rsend(peer, block, sizeof block, 0)) > 0) {
  }
  CHECK(errno == EAGAIN && nothing(set));
  for (int i = 0; i < 64; ++i) tell('d');
  CHECK(wait_for(set, PEER) == EPOLLOUT);
}

static void poll_rsockets(void) {
  int set = repoll_create(EPOLL_CLOEXEC), pipe_ends[2];
  pthread_t thread;
  CHECK(set >= 0 && pipe(pipe_ends) == 0 && pipe(orders) == 0);
  int listener = listen_somewhere();
  control(set, EPOLL_CTL_ADD, listener, EPOLLIN, LISTENER);
  control(set, EPOLL_CTL_ADD, pipe_ends[0], EPOLLIN, PIPE);
  CHECK(nothing(set));
  CHECK(pthread_create(&thread, NULL, other_side, NULL) == 0);
  CHECK(wait_for(set, LISTENER) == EPOLLIN);
  int peer = raccept(listener, NULL, NULL);
  CHECK(peer >= 0);
  refuse_mistakes(set, listener);

  control(set, EPOLL_CTL_ADD, peer, EPOLLIN | EPOLLONESHOT, PEER);
  tell('s');
  CHECK(wait_for(set, PEER) == EPOLLIN && nothing(set));
  control(set, EPOLL_CTL_MOD, peer, EPOLLIN, PEER);
  CHECK(wait_for(set, PEER) == EPOLLIN);
  receive(peer, "hello");
  CHECK(nothing(set));
  CHECK(write(pipe_ends[1], "x", 1) == 1);
  CHECK(wait_for(set, PIPE) == EPOLLIN);
  tell('s');
  struct epoll_event both[4];
  int got = 0;
  while (got < 2) CHECK((got = repoll_wait(set, both, 4, PATIENCE_MS)) > 0);
  CHECK(got == 2 && both[0].data.u64 + both[1].data.u64 == PIPE + PEER);
  receive(peer, "hello");
  CHECK(read(pipe_ends[0], both, 1) == 1);
  control(set, EPOLL_CTL_DEL, peer, 0, 0);

  fill_and_drain(set, peer);
  CHECK(rclose(peer) == 0 && nothing(set));  // what is closed leaves the set
  close(orders[1]);
  pthread_join(thread, NULL);
  CHECK(rclose(client) == 0 && rclose(listener) == 0 && close(set) == 0);
}

int main(void) {
  resolve_names();
  own_events();
  poll_rsockets();
  puts("all right");
  return 0;
}
