// SPDX-License-Identifier: BSD-2-Clause
// Takes one step of a connection's life at a time, as it is told: plain librdmacm, the system's at link time. Each line
// of the standard input is a command, and is answered by a line:
//   listen ADDRESS PORT, resolve ADDRESS PORT, route, connect, accept, disconnect, destroy     0, or errno's value
//   event MILLISECONDS                                                          an event's name and status, or none
#include <arpa/inet.h>
#include <poll.h>
#include <rdma/rdma_cma.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <utility>

namespace {

constexpr int kTimeout = 5000;
constexpr int kBacklog = 64;

struct Address {
  sockaddr_storage storage{};
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

Address parse(std::istream& words) {
  std::string text;
  uint16_t port = 0;
  words >> text >> port;
  Address address;
  auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
  if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
  } else if (inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
  }
  v4.sin_port = htons(port);
  return address;
}

class Steps {
 public:
  int listen(Address address) {
    if (rdma_create_id(channel_, &listener_, nullptr, RDMA_PS_TCP) != 0) return errno;
    if (rdma_bind_addr(listener_, address.get()) != 0) return errno;
    return rdma_listen(listener_, kBacklog) == 0 ? 0 : errno;
  }

  int resolve(Address address) {
    if (rdma_create_id(channel_, &id_, nullptr, RDMA_PS_TCP) != 0) return errno;
    return rdma_resolve_addr(id_, nullptr, address.get(), kTimeout) == 0 ? 0 : errno;
  }

  int route() { return rdma_resolve_route(id_, kTimeout) == 0 ? 0 : errno; }

  int connect() {
    if (int error = make_qp()) return error;
    return rdma_connect(id_, &parameters_) == 0 ? 0 : errno;
  }

  int accept() {
    if (int error = make_qp()) return error;
    return rdma_accept(id_, &parameters_) == 0 ? 0 : errno;
  }

  int disconnect() { return rdma_disconnect(id_) == 0 ? 0 : errno; }

  int destroy() {
    if (id_->qp) rdma_destroy_qp(id_);
    return rdma_destroy_id(std::exchange(id_, nullptr)) == 0 ? 0 : errno;
  }

  std::string event(int milliseconds) {
    pollfd waiting{channel_->fd, POLLIN, 0};
    rdma_cm_event* event = nullptr;
    if (poll(&waiting, 1, milliseconds) != 1 || rdma_get_cm_event(channel_, &event) != 0) return "none";
    std::ostringstream text;
    text << rdma_event_str(event->event) + sizeof "RDMA_CM_EVENT_" - 1 << ' ' << event->status;
    if (event->event == RDMA_CM_EVENT_CONNECT_REQUEST) id_ = event->id;
    rdma_ack_cm_event(event);
    return text.str();
  }

 private:
  int make_qp() {
    ibv_qp_init_attr attr{};
    attr.cap = {4, 4, 1, 1, 0};
    attr.qp_type = IBV_QPT_RC;
    return rdma_create_qp(id_, nullptr, &attr) == 0 ? 0 : errno;
  }

  rdma_event_channel* channel_ = rdma_create_event_channel();
  rdma_cm_id* listener_ = nullptr;
  rdma_cm_id* id_ = nullptr;
  rdma_conn_param parameters_ = [] {
    rdma_conn_param parameters{};
    parameters.responder_resources = parameters.initiator_depth = 1;
    parameters.retry_count = parameters.rnr_retry_count = 7;
    return parameters;
  }();
};

std::string take(Steps& steps, const std::string& line) {
  std::istringstream words(line);
  std::string command;
  words >> command;
  if (command == "event") {
    int milliseconds = 0;
    words >> milliseconds;
    return steps.event(milliseconds);
  }
  if (command == "listen") return std::to_string(steps.listen(parse(words)));
  if (command == "resolve") return std::to_string(steps.resolve(parse(words)));
  if (command == "route") return std::to_string(steps.route());
  if (command == "connect") return std::to_string(steps.connect());
  if (command == "accept") return std::to_string(steps.accept());
  if (command == "disconnect") return std::to_string(steps.disconnect());
  if (command == "destroy") return std::to_string(steps.destroy());
  return "unknown command";
}

}  // namespace

int main() {
  Steps steps;
  for (std::string line; std::getline(std::cin, line);) std::cout << "= " << take(steps, line) << std::endl;
}
