// SPDX-License-Identifier: BSD-2-Clause
// A native librdmacm for the mock device: it has the addresses 192.0.2.0/24, and connects its identifiers to each
// other. It finds the device as the real one does, by listing. What is not its own, or is not given back, ends the
// program.
#include <arpa/inet.h>
#include <fcntl.h>
#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 16, MINE = 0x5ca1ab1e, FIRST_PORT = 40000, REJECTED_NO_LISTENER = 8 };

struct mock_channel {
  struct rdma_event_channel abi;
  int writer;
};

struct mock_id {
  struct rdma_cm_id abi;
  void* device;  // where the real one has its own, and ours a mark
  int mine, bound, listening, with_the_program;
  struct mock_id* peer;
};

struct mock_event {
  struct rdma_cm_event abi;
  struct mock_id* counted;
  unsigned char data[256];
};

static struct mock_id* ids[MOST];
static struct ibv_context* verbs;
static uint16_t next_port = FIRST_PORT;

static void must(int condition, const char* what) {
  if (condition) return;
  printf("native connection manager: %s\n", what);
  fflush(stdout);
  abort();
}

static struct mock_id* own(struct rdma_cm_id* id) {
  struct mock_id* mine = (struct mock_id*)id;
  must(mine->mine == MINE, "a foreign identifier");
  return mine;
}

static int failed(int error) { return errno = error, -1; }

static struct sockaddr_in* source(struct mock_id* id) { return &id->abi.route.addr.src_sin; }
static int has(const struct sockaddr_in* address) { return ntohl(address->sin_addr.s_addr) >> 8 == 0xc00002; }

static void open_device(void) {
  int count = 0;
  struct ibv_device** list = ibv_get_device_list(&count);
  must(count == 1 && strcmp(list[0]->name, "mock0") == 0, "lists devices that are not native");
  if (!verbs) verbs = ibv_open_device(list[0]);
  ibv_free_device_list(list);
}

static void take_device(struct mock_id* id) {
  open_device();
  id->abi.verbs = verbs;
  id->abi.port_num = 1;
  if (!id->abi.pd) id->abi.pd = ibv_alloc_pd(verbs);
}

static struct mock_event* event_of(struct mock_id* counted, struct mock_id* id, enum rdma_cm_event_type type,
                                   int status) {
  struct mock_event* event = calloc(1, sizeof *event);
  event->counted = counted;
  event->abi = (struct rdma_cm_event){.id = &id->abi, .event = type, .status = status};
  return event;
}

static int tell(struct mock_event* event) {
  struct mock_channel* channel = (struct mock_channel*)event->counted->abi.channel;
  must(write(channel->writer, &event, sizeof event) == sizeof event, "write");
  return 0;
}

static int simply(struct rdma_cm_id* id, enum rdma_cm_event_type type) {
  return tell(event_of(own(id), own(id), type, 0));
}

// --- channels ----------------------------------------------------------------------------------------------------

struct rdma_event_channel* rdma_create_event_channel(void) {
  int ends[2];
  must(pipe2(ends, O_CLOEXEC) == 0, "pipe2");
  struct mock_channel* channel = calloc(1, sizeof *channel);
  channel->abi.fd = ends[0];
  channel->writer = ends[1];
  return &channel->abi;
}

void rdma_destroy_event_channel(struct rdma_event_channel* channel) {
  close(channel->fd);
  close(((struct mock_channel*)channel)->writer);
  free(channel);
}

int rdma_get_cm_event(struct rdma_event_channel* channel, struct rdma_cm_event** out) {
  must(fcntl(channel->fd, F_GETFL) & O_NONBLOCK, "a channel that blocks");
  struct mock_event* event;
  if (read(channel->fd, &event, sizeof event) != sizeof event) return -1;
  ++event->counted->with_the_program;
  *out = &event->abi;
  return 0;
}

int rdma_ack_cm_event(struct rdma_cm_event* event) {
  struct mock_event* mine = (struct mock_event*)event;
  --mine->counted->with_the_program;
  memset(mine, 0xee, sizeof *mine);  // who reads it now reads this
  free(mine);
  return 0;
}

// --- identifiers -------------------------------------------------------------------------------------------------

static struct mock_id* make_id(struct rdma_event_channel* channel, void* context, enum rdma_port_space space) {
  struct mock_id* id = calloc(1, sizeof *id);
  id->abi = (struct rdma_cm_id){.channel = channel, .context = context, .ps = space, .qp_type = IBV_QPT_RC};
  id->device = id;
  id->mine = MINE;
  int at = 0;
  while (ids[at]) must(++at < MOST, "too many identifiers");
  return ids[at] = id;
}

int rdma_create_id(struct rdma_event_channel* channel, struct rdma_cm_id** id, void* context,
                   enum rdma_port_space space) {
  must(channel != NULL, "an identifier without a channel");
  *id = &make_id(channel, context, space)->abi;
  return 0;
}

int rdma_destroy_id(struct rdma_cm_id* id) {
  struct mock_id* mine = own(id);
  must(mine->with_the_program == 0 && !id->qp, "an identifier in use is destroyed");
  for (int i = 0; i < MOST; ++i) {
    if (ids[i] == mine) ids[i] = NULL;
    if (ids[i] && ids[i]->peer == mine) ids[i]->peer = NULL;
  }
  if (id->pd) ibv_dealloc_pd(id->pd);
  mine->mine = 0;
  free(mine);
  return 0;
}

int rdma_migrate_id(struct rdma_cm_id* id, struct rdma_event_channel* channel) {
  own(id)->abi.channel = channel;
  return 0;
}

int rdma_set_option(struct rdma_cm_id* id, int level, int name, void* value, size_t size) {
  (void)own(id);
  printf("native rdma_set_option %d %d %d\n", level, name, size == 1 ? *(uint8_t*)value : *(int*)value);
  return 0;
}

// --- addresses ---------------------------------------------------------------------------------------------------

static int taken(const struct sockaddr_in* address) {
  for (int i = 0; i < MOST; ++i) {
    if (ids[i] && ids[i]->bound && source(ids[i])->sin_port == address->sin_port) return 1;
  }
  return 0;
}

int rdma_bind_addr(struct rdma_cm_id* id, struct sockaddr* address) {
  struct mock_id* mine = own(id);
  struct sockaddr_in asked = *(struct sockaddr_in*)address;
  char text[INET_ADDRSTRLEN];
  printf("native rdma_bind_addr %s\n", inet_ntop(AF_INET, &asked.sin_addr, text, sizeof text));
  if (mine->bound) return failed(EINVAL);
  if (asked.sin_addr.s_addr != INADDR_ANY && !has(&asked)) return failed(EADDRNOTAVAIL);
  if (!asked.sin_port) asked.sin_port = htons(next_port++);
  if (taken(&asked)) return failed(EADDRINUSE);
  *source(mine) = asked;
  mine->bound = 1;
  if (has(&asked)) take_device(mine);
  return 0;
}

int rdma_resolve_addr(struct rdma_cm_id* id, struct sockaddr* from, struct sockaddr* to, int timeout_ms) {
  struct mock_id* mine = own(id);
  struct sockaddr_in* asked = (struct sockaddr_in*)to;
  must(timeout_ms > 0, "no time to resolve in");
  must(!mine->bound || !from, "a bound identifier has its address");
  if (!has(asked)) return failed(ENODEV);
  if (!mine->bound) *source(mine) = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(next_port++)};
  mine->bound = 1;
  inet_pton(AF_INET, "192.0.2.1", &source(mine)->sin_addr);
  id->route.addr.dst_sin = *asked;
  take_device(mine);
  return simply(id, RDMA_CM_EVENT_ADDR_RESOLVED);
}

int rdma_resolve_route(struct rdma_cm_id* id, int timeout_ms) {
  static struct ibv_sa_path_rec path;
  must(timeout_ms > 0, "no time to resolve in");
  id->route.path_rec = &path;
  id->route.num_paths = 1;
  return simply(id, RDMA_CM_EVENT_ROUTE_RESOLVED);
}

// --- connections -------------------------------------------------------------------------------------------------

static struct mock_id* listener_at(const struct sockaddr_in* address) {
  for (int i = 0; i < MOST; ++i) {
    if (ids[i] && ids[i]->listening && source(ids[i])->sin_port == address->sin_port) return ids[i];
  }
  return NULL;
}

static void put_data(struct mock_event* event, const struct rdma_conn_param* param) {
  event->abi.param.conn.private_data_len = param ? param->private_data_len : 0;
  event->abi.param.conn.private_data = event->data;
  if (param && param->private_data_len) memcpy(event->data, param->private_data, param->private_data_len);
}

int rdma_listen(struct rdma_cm_id* id, int backlog) {
  printf("native rdma_listen %d\n", backlog);
  if (!own(id)->bound) return failed(EINVAL);
  own(id)->listening = 1;
  return 0;
}

int rdma_connect(struct rdma_cm_id* id, struct rdma_conn_param* param) {
  struct mock_id *mine = own(id), *listener = listener_at(&id->route.addr.dst_sin);
  if (!listener) return tell(event_of(mine, mine, RDMA_CM_EVENT_REJECTED, REJECTED_NO_LISTENER));
  struct mock_id* request = make_id(listener->abi.channel, listener->abi.context, listener->abi.ps);
  request->bound = 0;
  *source(request) = id->route.addr.dst_sin;
  request->abi.route.addr.dst_sin = *source(mine);
  request->peer = mine;
  mine->peer = request;
  take_device(request);
  struct mock_event* event = event_of(listener, request, RDMA_CM_EVENT_CONNECT_REQUEST, 0);
  event->abi.listen_id = &listener->abi;
  put_data(event, param);
  return tell(event);
}

int rdma_accept(struct rdma_cm_id* id, struct rdma_conn_param* param) {
  struct mock_id *mine = own(id), *peer = mine->peer;
  must(peer != NULL, "nobody to accept");
  struct mock_event* event = event_of(peer, peer, RDMA_CM_EVENT_ESTABLISHED, 0);
  put_data(event, param);
  tell(event);
  return simply(id, RDMA_CM_EVENT_ESTABLISHED);
}

int rdma_reject(struct rdma_cm_id* id, const void* data, uint8_t size) {
  struct mock_id* peer = own(id)->peer;
  struct rdma_conn_param param = {.private_data = data, .private_data_len = size};
  struct mock_event* event = event_of(peer, peer, RDMA_CM_EVENT_REJECTED, 28);
  put_data(event, &param);
  return tell(event);
}

int rdma_disconnect(struct rdma_cm_id* id) {
  struct mock_id* peer = own(id)->peer;
  if (!peer) return failed(EINVAL);
  own(id)->peer = peer->peer = NULL;
  simply(&peer->abi, RDMA_CM_EVENT_DISCONNECTED);
  return simply(id, RDMA_CM_EVENT_DISCONNECTED);
}

// --- queue pairs -------------------------------------------------------------------------------------------------

static struct ibv_cq* make_cq(struct rdma_cm_id* id, struct ibv_comp_channel** channel) {
  *channel = ibv_create_comp_channel(id->verbs);
  return ibv_create_cq(id->verbs, 8, id, *channel, 0);
}

int rdma_create_qp(struct rdma_cm_id* id, struct ibv_pd* pd, struct ibv_qp_init_attr* attr) {
  (void)own(id);
  if (!id->send_cq) id->send_cq = make_cq(id, &id->send_cq_channel);
  if (!id->recv_cq) id->recv_cq = make_cq(id, &id->recv_cq_channel);
  attr->send_cq = id->send_cq;
  attr->recv_cq = id->recv_cq;
  id->qp = ibv_create_qp(pd ? pd : id->pd, attr);
  return id->qp ? 0 : -1;
}

void rdma_destroy_qp(struct rdma_cm_id* id) {
  (void)own(id);
  must(ibv_destroy_qp(id->qp) == 0 && ibv_destroy_cq(id->send_cq) == 0 && ibv_destroy_cq(id->recv_cq) == 0, "destroy");
  ibv_destroy_comp_channel(id->send_cq_channel);
  ibv_destroy_comp_channel(id->recv_cq_channel);
  id->qp = NULL;
  id->send_cq = id->recv_cq = NULL;
  id->send_cq_channel = id->recv_cq_channel = NULL;
}

// --- devices -----------------------------------------------------------------------------------------------------

struct ibv_context** rdma_get_devices(int* count) {
  open_device();
  struct ibv_context** list = calloc(2, sizeof *list);
  list[0] = verbs;
  if (count) *count = 1;
  return list;
}

void rdma_free_devices(struct ibv_context** list) {
  puts("native rdma_free_devices");
  free(list);
}
