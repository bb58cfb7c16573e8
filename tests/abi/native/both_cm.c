// SPDX-License-Identifier: BSD-2-Clause
// Connections over one of our devices (127.0.0.1) and a native one (192.0.2.1) in one program.
//   both_cm channel     one listener, one channel, one poll(2) for all
//   both_cm endpoints   without channels: calls wait, in two threads
//   both_cm addresses   whose an address is, and what a taken port does
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <infiniband/verbs.h>
#include <poll.h>
#include <pthread.h>
#include <rdma/rdma_cma.h>
#include <rdma/rdma_verbs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                               \
  do {                                                                 \
    if (!(condition)) {                                                \
      printf("line %d: %s (errno %d)\n", __LINE__, #condition, errno); \
      exit(1);                                                         \
    }                                                                  \
  } while (0)

enum { KINDS = 2, SIZE = 64, TIMEOUT_MS = 20000 };
static const char* const addresses[KINDS] = {"127.0.0.1", "192.0.2.1"};
static const char* const devices[KINDS] = {"vb_lo", "mock0"};
static char memory[KINDS][2][SIZE];

static struct sockaddr_in address_of(const char* text, uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  CHECK(inet_pton(AF_INET, text, &address.sin_addr) == 1);
  return address;
}

static void make_qp(struct rdma_cm_id* id) {
  struct ibv_qp_init_attr attr = {.qp_type = IBV_QPT_RC, .sq_sig_all = 1};
  attr.cap = (struct ibv_qp_cap){.max_send_wr = 4, .max_recv_wr = 4, .max_send_sge = 1, .max_recv_sge = 1};
  CHECK(rdma_create_qp(id, NULL, &attr) == 0 && id->qp && id->qp->context == id->verbs && id->send_cq && id->pd);
}

static int is_on(const struct rdma_cm_id* id, int kind) { return strcmp(id->verbs->device->name, devices[kind]) == 0; }

/// A WRITE from one's own memory to one's own, by the functions that are inline in programs.
static void write_once(struct rdma_cm_id* from, struct rdma_cm_id* to, int kind) {
  struct ibv_mr* source = rdma_reg_msgs(from, memory[kind][0], SIZE);
  struct ibv_mr* target = rdma_reg_write(to, memory[kind][1], SIZE);
  CHECK(source && target && source->context == from->verbs);
  struct ibv_wc wc;
  CHECK(rdma_post_write(from, &wc, memory[kind][0], SIZE, source, 0, (uintptr_t)memory[kind][1], target->rkey) == 0);
  CHECK(rdma_get_send_comp(from, &wc) == 1 && wc.status == IBV_WC_SUCCESS && wc.wr_id == (uintptr_t)&wc);
  CHECK(rdma_dereg_mr(source) == 0 && rdma_dereg_mr(target) == 0);
}

// --- one channel ---------------------------------------------------------------------------------------------------

struct connection {
  struct rdma_cm_id *active, *passive;
  int established, disconnected;
};
static struct connection connections[KINDS];
static struct rdma_event_channel* channel;
static struct rdma_cm_id* listener;

static void take_request(struct rdma_cm_event* event) {
  CHECK(event->listen_id == listener && event->id->context == listener->context && event->id->channel == channel);
  int kind = *(const char*)event->param.conn.private_data - '0';
  CHECK(kind >= 0 && kind < KINDS && is_on(event->id, kind) && event->param.conn.private_data_len >= 2);
  connections[kind].passive = event->id;
  event->id->context = &connections[kind];
  make_qp(event->id);
  struct rdma_conn_param param = {.responder_resources = 1, .private_data = "yes", .private_data_len = 3};
  CHECK(rdma_accept(event->id, &param) == 0);
}

static void connect_one(struct rdma_cm_id* id, int kind) {
  char data[2] = {(char)('0' + kind), 0};
  make_qp(id);
  struct rdma_conn_param param = {.private_data = data, .private_data_len = sizeof data, .responder_resources = 1};
  param.retry_count = 7;
  CHECK(rdma_connect(id, &param) == 0);
}

static void take_event(void) {
  struct rdma_cm_event* event;
  if (rdma_get_cm_event(channel, &event) != 0) {
    CHECK(errno == EAGAIN);
    return;
  }
  struct connection* connection = event->id->context;
  CHECK(event->status == 0);
  switch (event->event) {
    case RDMA_CM_EVENT_ADDR_RESOLVED:
      CHECK(is_on(event->id, (int)(connection - connections)));
      CHECK(rdma_resolve_route(event->id, TIMEOUT_MS) == 0);
      break;
    case RDMA_CM_EVENT_ROUTE_RESOLVED:
      CHECK(event->id->route.num_paths == 1 && event->id->route.path_rec);
      connect_one(event->id, (int)(connection - connections));
      break;
    case RDMA_CM_EVENT_CONNECT_REQUEST: take_request(event); break;
    case RDMA_CM_EVENT_ESTABLISHED:
      if (event->id == connection->active) CHECK(memcmp(event->param.conn.private_data, "yes", 3) == 0);
      ++connection->established;
      break;
    case RDMA_CM_EVENT_DISCONNECTED:
      if (event->id == connection->passive) CHECK(rdma_disconnect(event->id) == 0 || errno == EINVAL);
      ++connection->disconnected;
      break;
    default: printf("event %s\n", rdma_event_str(event->event)); exit(1);
  }
  CHECK(rdma_ack_cm_event(event) == 0);
}

static void take_events_until(int (*done)(void)) {
  while (!done()) {
    struct pollfd news = {.fd = channel->fd, .events = POLLIN};
    CHECK(poll(&news, 1, TIMEOUT_MS) == 1);
    take_event();
  }
}

static int all_established(void) { return connections[0].established == 2 && connections[1].established == 2; }
static int all_disconnected(void) { return connections[0].disconnected == 2 && connections[1].disconnected == 2; }

static void one_channel(void) {
  CHECK((channel = rdma_create_event_channel()) && fcntl(channel->fd, F_SETFL, O_NONBLOCK) == 0);
  CHECK(rdma_create_id(channel, &listener, &listener, RDMA_PS_TCP) == 0);
  int yes = 1;
  CHECK(rdma_set_option(listener, RDMA_OPTION_ID, RDMA_OPTION_ID_REUSEADDR, &yes, sizeof yes) == 0);
  struct sockaddr_in any = address_of("0.0.0.0", 0);
  CHECK(rdma_bind_addr(listener, (struct sockaddr*)&any) == 0 && rdma_listen(listener, 5) == 0);
  uint16_t port = ntohs(rdma_get_src_port(listener));
  for (int kind = 0; kind < KINDS; ++kind) {
    struct sockaddr_in to = address_of(addresses[kind], port);
    CHECK(rdma_create_id(channel, &connections[kind].active, &connections[kind], RDMA_PS_TCP) == 0);
    CHECK(rdma_resolve_addr(connections[kind].active, NULL, (struct sockaddr*)&to, TIMEOUT_MS) == 0);
  }
  take_events_until(all_established);
  for (int kind = 0; kind < KINDS; ++kind) {
    write_once(connections[kind].active, connections[kind].passive, kind);
    CHECK(rdma_disconnect(connections[kind].active) == 0);
  }
  take_events_until(all_disconnected);
  for (int kind = 0; kind < KINDS; ++kind) {
    struct rdma_cm_id* ends[] = {connections[kind].active, connections[kind].passive};
    for (int i = 0; i < 2; ++i) {
      rdma_destroy_qp(ends[i]);
      CHECK(!ends[i]->qp && !ends[i]->send_cq && rdma_destroy_id(ends[i]) == 0);
    }
  }
  CHECK(rdma_destroy_id(listener) == 0);
  rdma_destroy_event_channel(channel);
}

// --- without channels ----------------------------------------------------------------------------------------------

static struct ibv_qp_init_attr endpoint_attr(void) {
  struct ibv_qp_init_attr attr = {.sq_sig_all = 1};
  attr.cap = (struct ibv_qp_cap){.max_send_wr = 4, .max_recv_wr = 4, .max_send_sge = 1, .max_recv_sge = 1};
  return attr;
}

static struct rdma_cm_id* accepted[KINDS];

static void* serve(void* unused) {
  (void)unused;
  for (int kind = 0; kind < KINDS; ++kind) {
    CHECK(rdma_get_request(listener, &accepted[kind]) == 0 && is_on(accepted[kind], kind) && accepted[kind]->qp);
    CHECK(accepted[kind]->event && accepted[kind]->event->event == RDMA_CM_EVENT_CONNECT_REQUEST);
    CHECK(rdma_accept(accepted[kind], NULL) == 0);
  }
  return NULL;
}

static void endpoints(void) {
  struct ibv_qp_init_attr attr = endpoint_attr();
  struct rdma_addrinfo hints = {.ai_flags = RAI_PASSIVE, .ai_family = AF_INET, .ai_port_space = RDMA_PS_TCP}, *info;
  CHECK(rdma_getaddrinfo(NULL, "0", &hints, &info) == 0);
  CHECK(rdma_create_ep(&listener, info, NULL, &attr) == 0 && rdma_listen(listener, 0) == 0);
  rdma_freeaddrinfo(info);
  char port[8];
  snprintf(port, sizeof port, "%u", ntohs(rdma_get_src_port(listener)));
  pthread_t server;
  CHECK(pthread_create(&server, NULL, serve, NULL) == 0);
  struct rdma_cm_id* ids[KINDS];
  for (int kind = 0; kind < KINDS; ++kind) {
    hints.ai_flags = 0;
    CHECK(rdma_getaddrinfo(addresses[kind], port, &hints, &info) == 0);
    attr = endpoint_attr();
    CHECK(rdma_create_ep(&ids[kind], info, NULL, &attr) == 0 && is_on(ids[kind], kind) && ids[kind]->qp);
    rdma_freeaddrinfo(info);
    CHECK(rdma_connect(ids[kind], NULL) == 0 && ids[kind]->event->event == RDMA_CM_EVENT_ESTABLISHED);
  }
  CHECK(pthread_join(server, NULL) == 0);
  for (int kind = 0; kind < KINDS; ++kind) {
    // Ours waits until the other side, which is this same thread, has heard of it.
    if (kind == 1) CHECK(rdma_disconnect(ids[kind]) == 0 && ids[kind]->event->event == RDMA_CM_EVENT_DISCONNECTED);
    rdma_destroy_ep(ids[kind]);
    rdma_destroy_ep(accepted[kind]);
  }
  rdma_destroy_ep(listener);
}

// --- addresses -----------------------------------------------------------------------------------------------------

static struct rdma_cm_id* new_id(void) {
  struct rdma_cm_id* id;
  CHECK(rdma_create_id(NULL, &id, NULL, RDMA_PS_TCP) == 0);
  return id;
}

static int bind_to(struct rdma_cm_id* id, const char* text, uint16_t port) {
  struct sockaddr_in address = address_of(text, port);
  return rdma_bind_addr(id, (struct sockaddr*)&address);
}

static void of_addresses(void) {
  struct rdma_cm_id *theirs = new_id(), *everywhere = new_id(), *mine = new_id(), *nobodys = new_id();
  uint8_t service = 7;
  CHECK(rdma_set_option(theirs, RDMA_OPTION_ID, RDMA_OPTION_ID_TOS, &service, sizeof service) == 0);
  CHECK(bind_to(theirs, addresses[1], 0) == 0 && is_on(theirs, 1));
  uint16_t port = ntohs(rdma_get_src_port(theirs));
  CHECK(port != 0 && bind_to(theirs, addresses[1], 0) != 0 && errno == EINVAL);
  CHECK(bind_to(everywhere, "0.0.0.0", port) != 0 && errno == EADDRINUSE);
  CHECK(bind_to(mine, addresses[0], port) == 0 && is_on(mine, 0));  // it was not kept
  CHECK(rdma_destroy_id(theirs) == 0 && rdma_destroy_id(mine) == 0);
  CHECK(bind_to(everywhere, "0.0.0.0", port) == 0 && !everywhere->verbs);
  CHECK(bind_to(nobodys, "198.51.100.1", 0) != 0 && errno == EADDRNOTAVAIL && !nobodys->verbs);
  // What was at both places goes where it is needed, and its port here is free again.
  struct sockaddr_in to = address_of(addresses[1], 1);
  CHECK(rdma_resolve_addr(everywhere, NULL, (struct sockaddr*)&to, TIMEOUT_MS) == 0 && is_on(everywhere, 1));
  mine = new_id();
  CHECK(bind_to(mine, addresses[0], port) == 0);
  CHECK(rdma_resolve_route(everywhere, TIMEOUT_MS) == 0);
  CHECK(rdma_connect(everywhere, NULL) != 0 && errno == ECONNREFUSED && everywhere->event->status == 8);
  CHECK(rdma_destroy_id(everywhere) == 0 && rdma_destroy_id(mine) == 0 && rdma_destroy_id(nobodys) == 0);
}

static void list(void) {
  int count;
  struct ibv_context** all = rdma_get_devices(&count);
  CHECK(all && count == KINDS && !all[KINDS]);
  for (int kind = 0; kind < KINDS; ++kind) CHECK(strcmp(all[kind]->device->name, devices[kind]) == 0);
  rdma_free_devices(all);
}

int main(int argc, char** argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc != 2) return 2;
  if (strcmp(argv[1], "channel") == 0) one_channel();
  if (strcmp(argv[1], "endpoints") == 0) endpoints();
  if (strcmp(argv[1], "addresses") == 0) of_addresses();
  if (strcmp(argv[1], "devices") == 0) list();
  puts("all right");
  return 0;
}
