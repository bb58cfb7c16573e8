// SPDX-License-Identifier: BSD-2-Clause
// Many short connections to one listener: plain librdmacm, the system's at link time.
//   cm_storm server ADDRESS PORT CONNECTIONS     accepts as many, each answered with what it sent, and ends
//   cm_storm client ADDRESS PORT CONNECTIONS     makes as many, some at a time, and checks the answers
// Both compare their open descriptors at the end with those in the middle: nothing may be left.
#include <arpa/inet.h>
#include <dirent.h>
#include <rdma/rdma_cma.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>

namespace {

constexpr size_t kPrivate = 48;
constexpr int kAtATime = 8;
constexpr int kTimeout = 5000;
/// What the transport between the processes may open meanwhile; a leak would be hundreds.
constexpr int kSlack = 16;

[[noreturn]] void fail(const char* what, int value = 0) {
  fprintf(stderr, "%s: %s (%d)\n", what, strerror(errno), value);
  exit(1);
}

void check(bool holds, const char* what, int value = 0) {
  if (!holds) fail(what, value);
}

int open_descriptors() {
  DIR* directory = opendir("/proc/self/fd");
  check(directory, "/proc/self/fd");
  int count = 0;
  while (readdir(directory)) ++count;
  closedir(directory);
  return count;
}

sockaddr_storage address_of(const char* text, const char* port) {
  sockaddr_storage storage{};
  auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
  if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
  } else {
    check(inet_pton(AF_INET6, text, &v6.sin6_addr) == 1, text);
    v6.sin6_family = AF_INET6;
  }
  v4.sin_port = htons(static_cast<uint16_t>(atoi(port)));
  return storage;
}

/// A connection's private data: which process, which of its connections, and a pattern.
struct Label {
  unsigned char bytes[kPrivate];
  Label(int process, int number) {
    memset(bytes, number * 7 + process, sizeof bytes);
    memcpy(bytes, &process, sizeof process);
    memcpy(bytes + sizeof process, &number, sizeof number);
  }
};

void make_qp(rdma_cm_id* id, ibv_cq* cq) {
  ibv_qp_init_attr attr{};
  attr.send_cq = attr.recv_cq = cq;
  attr.cap = {4, 4, 1, 1, 0};
  attr.qp_type = IBV_QPT_RC;
  check(rdma_create_qp(id, nullptr, &attr) == 0, "rdma_create_qp");
}

struct Program {
  rdma_event_channel* channel = rdma_create_event_channel();
  ibv_cq* cq = nullptr;
  sockaddr_storage address;
  int wanted;
  int done = 0;
  int descriptors = 0;

  void need_cq(rdma_cm_id* id) {
    if (!cq) cq = ibv_create_cq(id->verbs, 64, nullptr, nullptr, 0);
    check(cq, "ibv_create_cq");
  }
  /// An identifier is destroyed only after its event is given back.
  void finish(rdma_cm_id* id) {
    rdma_destroy_qp(id);
    check(rdma_destroy_id(id) == 0, "rdma_destroy_id");
    if (++done == wanted / 2) descriptors = open_descriptors();
  }
  void check_descriptors() {
    int now = open_descriptors();
    check(now <= descriptors + kSlack, "descriptors are left", now - descriptors);
  }
};

void accept_all(Program& program) {
  rdma_cm_id* listener = nullptr;
  check(rdma_create_id(program.channel, &listener, nullptr, RDMA_PS_TCP) == 0, "rdma_create_id");
  check(rdma_bind_addr(listener, reinterpret_cast<sockaddr*>(&program.address)) == 0, "rdma_bind_addr");
  check(rdma_listen(listener, 128) == 0, "rdma_listen");
  while (program.done < program.wanted) {
    rdma_cm_event* event = nullptr;
    check(rdma_get_cm_event(program.channel, &event) == 0, "rdma_get_cm_event");
    rdma_cm_id* id = event->id;
    rdma_cm_event_type type = event->event;
    if (type == RDMA_CM_EVENT_CONNECT_REQUEST) {
      program.need_cq(id);
      make_qp(id, program.cq);
      rdma_conn_param param{};
      check(event->param.conn.private_data_len >= kPrivate, "private data", event->param.conn.private_data_len);
      param.private_data = event->param.conn.private_data;
      param.private_data_len = kPrivate;
      check(rdma_accept(id, &param) == 0, "rdma_accept");
    } else if (type != RDMA_CM_EVENT_ESTABLISHED && type != RDMA_CM_EVENT_DISCONNECTED) {
      fail(rdma_event_str(type), event->status);
    }
    check(rdma_ack_cm_event(event) == 0, "rdma_ack_cm_event");
    if (type == RDMA_CM_EVENT_DISCONNECTED) {
      check(rdma_disconnect(id) == 0, "rdma_disconnect");
      program.finish(id);
    }
  }
  program.check_descriptors();
}

struct Client : Program {
  int started = 0;
  std::map<rdma_cm_id*, std::unique_ptr<Label>> labels;

  void start() {
    rdma_cm_id* id = nullptr;
    check(rdma_create_id(channel, &id, nullptr, RDMA_PS_TCP) == 0, "rdma_create_id");
    labels[id] = std::make_unique<Label>(getpid(), started++);
    check(rdma_resolve_addr(id, nullptr, reinterpret_cast<sockaddr*>(&address), kTimeout) == 0, "rdma_resolve_addr");
  }

  void connect(rdma_cm_id* id) {
    need_cq(id);
    make_qp(id, cq);
    rdma_conn_param param{};
    param.private_data = labels[id]->bytes;
    param.private_data_len = kPrivate;
    param.retry_count = 7;
    check(rdma_connect(id, &param) == 0, "rdma_connect");
  }

  void established(rdma_cm_id* id, const rdma_conn_param& param) {
    check(param.private_data_len >= kPrivate, "private data's size", param.private_data_len);
    check(memcmp(param.private_data, labels[id]->bytes, kPrivate) == 0, "private data of another connection");
    check(rdma_disconnect(id) == 0, "rdma_disconnect");
  }

  void handle(const rdma_cm_event& event) {
    switch (event.event) {
      case RDMA_CM_EVENT_ADDR_RESOLVED: check(rdma_resolve_route(event.id, kTimeout) == 0, "rdma_resolve_route"); break;
      case RDMA_CM_EVENT_ROUTE_RESOLVED: connect(event.id); break;
      case RDMA_CM_EVENT_ESTABLISHED: established(event.id, event.param.conn); break;
      case RDMA_CM_EVENT_DISCONNECTED: break;
      default: fail(rdma_event_str(event.event), event.status);
    }
  }

  void run() {
    while (done < wanted) {
      while (started < wanted && started - done < kAtATime) start();
      rdma_cm_event* event = nullptr;
      check(rdma_get_cm_event(channel, &event) == 0, "rdma_get_cm_event");
      handle(*event);
      rdma_cm_id* gone = event->event == RDMA_CM_EVENT_DISCONNECTED ? event->id : nullptr;
      check(rdma_ack_cm_event(event) == 0, "rdma_ack_cm_event");
      if (!gone) continue;
      labels.erase(gone);
      finish(gone);
    }
    check_descriptors();
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  if (std::string(argv[1]) == "server") {
    Program program{.address = address_of(argv[2], argv[3]), .wanted = atoi(argv[4])};
    check(program.channel, "rdma_create_event_channel");
    accept_all(program);
    printf("accepted %d\n", program.done);
  } else {
    Client client;
    client.address = address_of(argv[2], argv[3]);
    client.wanted = atoi(argv[4]);
    client.run();
    printf("connected %d\n", client.done);
  }
}
