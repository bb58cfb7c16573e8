// SPDX-License-Identifier: BSD-2-Clause
// Takes one step of a connection's life at a time, as it is told: plain librdmacm, the system's at link time. Each line
// of the standard input is a command, and is answered by a line:
//   listen ADDRESS PORT, bind ADDRESS PORT, resolve ADDRESS PORT, again MILLISECONDS ADDRESS PORT (resolves another),
//   route, connect, accept, reject, disconnect, destroy, receive (posts one), send    0, or errno's value
//   datagrams, swap (the listener and the other identifier)                     0
//   event MILLISECONDS                                                          an event's name and status, or none
//   completion MILLISECONDS                                                     of a receive: its status, or none
//   fatal MILLISECONDS                                                          0: the device is, 1: it is not
//   state                                                                       the queue pair's, a number
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
    if (rdma_create_id(channel_, &listener_, nullptr, space_) != 0) return errno;
    if (rdma_bind_addr(listener_, address.get()) != 0) return errno;
    return rdma_listen(listener_, kBacklog) == 0 ? 0 : errno;
  }

  int bind(Address address) {
    if (rdma_create_id(channel_, &id_, nullptr, space_) != 0) return errno;
    return rdma_bind_addr(id_, address.get()) == 0 ? 0 : errno;
  }

  int resolve(Address address) {
    if (rdma_create_id(channel_, &id_, nullptr, space_) != 0) return errno;
    return resolve_again(address, kTimeout);
  }

  int resolve_again(Address address, int milliseconds) {
    return rdma_resolve_addr(id_, nullptr, address.get(), milliseconds) == 0 ? 0 : errno;
  }

  int route() { return rdma_resolve_route(id_, kTimeout) == 0 ? 0 : errno; }

  int datagrams() {
    space_ = RDMA_PS_UDP;
    return 0;
  }

  int swap() {
    std::swap(listener_, id_);
    return 0;
  }

  int receive() {
    if (int error = make_qp()) return error;
    ibv_mr* mr = ibv_reg_mr(id_->qp->pd, room_, sizeof room_, IBV_ACCESS_LOCAL_WRITE);
    if (!mr) return errno;
    ibv_sge sge{reinterpret_cast<uintptr_t>(room_), sizeof room_, mr->lkey};
    ibv_recv_wr wr{}, *bad = nullptr;
    wr.sg_list = &sge;
    wr.num_sge = 1;
    return ibv_post_recv(id_->qp, &wr, &bad);
  }

  /// Nothing, with a number.
  int send() {
    ibv_send_wr wr{}, *bad = nullptr;
    wr.opcode = IBV_WR_SEND_WITH_IMM;
    wr.send_flags = IBV_SEND_SIGNALED;
    return ibv_post_send(id_->qp, &wr, &bad);
  }

  std::string completion(int milliseconds) {
    ibv_wc wc{};
    ibv_req_notify_cq(id_->recv_cq, 0);
    pollfd waiting{id_->recv_cq_channel->fd, POLLIN, 0};
    if (ibv_poll_cq(id_->recv_cq, 1, &wc) == 1) return std::to_string(wc.status);
    if (poll(&waiting, 1, milliseconds) != 1 || ibv_poll_cq(id_->recv_cq, 1, &wc) != 1) return "none";
    return std::to_string(wc.status);
  }

  int fatal(int milliseconds) {
    ibv_async_event event{};
    while (event.event_type != IBV_EVENT_DEVICE_FATAL) {
      pollfd waiting{id_->verbs->async_fd, POLLIN, 0};
      if (poll(&waiting, 1, milliseconds) != 1 || ibv_get_async_event(id_->verbs, &event) != 0) return 1;
      ibv_ack_async_event(&event);
    }
    return 0;
  }

  int state() {
    ibv_qp_attr attr{};
    ibv_qp_init_attr init{};
    return ibv_query_qp(id_->qp, &attr, IBV_QP_STATE, &init) == 0 ? attr.qp_state : -1;
  }

  int connect() {
    if (int error = make_qp()) return error;
    return rdma_connect(id_, &parameters_) == 0 ? 0 : errno;
  }

  int accept() {
    if (int error = make_qp()) return error;
    return rdma_accept(id_, &parameters_) == 0 ? 0 : errno;
  }

  int reject() { return rdma_reject(id_, nullptr, 0) == 0 ? 0 : errno; }

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
    if (id_->qp) return 0;
    ibv_qp_init_attr attr{};
    attr.cap = {4, 4, 1, 1, 0};
    attr.qp_type = id_->qp_type;
    return rdma_create_qp(id_, nullptr, &attr) == 0 ? 0 : errno;
  }

  rdma_event_channel* channel_ = rdma_create_event_channel();
  rdma_port_space space_ = RDMA_PS_TCP;
  char room_[256];
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
  if (command == "event" || command == "completion" || command == "fatal") {
    int milliseconds = 0;
    words >> milliseconds;
    if (command == "event") return steps.event(milliseconds);
    return command == "fatal" ? std::to_string(steps.fatal(milliseconds)) : steps.completion(milliseconds);
  }
  if (command == "listen") return std::to_string(steps.listen(parse(words)));
  if (command == "again") {
    int milliseconds = 0;
    words >> milliseconds;
    return std::to_string(steps.resolve_again(parse(words), milliseconds));
  }
  if (command == "reject") return std::to_string(steps.reject());
  if (command == "bind") return std::to_string(steps.bind(parse(words)));
  if (command == "datagrams") return std::to_string(steps.datagrams());
  if (command == "swap") return std::to_string(steps.swap());
  if (command == "send") return std::to_string(steps.send());
  if (command == "receive") return std::to_string(steps.receive());
  if (command == "state") return std::to_string(steps.state());
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
