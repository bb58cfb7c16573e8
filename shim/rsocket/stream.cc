// SPDX-License-Identifier: BSD-2-Clause
// The life of a stream: bind, listen, accept, connect, shutdown, close.
#include "rsocket/stream.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "rsocket/settings.h"

namespace vb::rsocket {

namespace {

constexpr int kResolveMilliseconds = 2000;
constexpr int kDefaultBacklog = 128;

/// What a socket call says when the connection manager reports `event`.
int error_of(const rdma_cm_event& event) {
  switch (event.event) {
    case RDMA_CM_EVENT_REJECTED: return ECONNREFUSED;
    case RDMA_CM_EVENT_UNREACHABLE: return event.status < 0 ? -event.status : ETIMEDOUT;
    case RDMA_CM_EVENT_DEVICE_REMOVAL: return ENODEV;
    default: return event.status < 0 ? -event.status : EHOSTUNREACH;
  }
}

sockaddr* writable(const sockaddr* address) { return const_cast<sockaddr*>(address); }

}  // namespace

Stream::Stream(int family) : family_(family) {
  const Settings& all = settings();
  options_.limits = {all.receive_size, all.send_size, all.send_depth, all.receive_depth, all.inline_size, all.io_maps};
}

Stream::~Stream() {
  for (Mapping& mapping : mappings_) {
    if (mapping.mr) ibv_dereg_mr(mapping.mr);
  }
  link_.reset();  // before its identifier
}

Result<std::shared_ptr<Socket>> Stream::create(int family) {
  auto stream = std::make_shared<Stream>(family);
  if (auto opened = stream->open(); !opened) return Error{opened.error()};
  if (auto made = stream->id_.create(RDMA_PS_TCP); !made) return Error{made.error()};
  return std::shared_ptr<Socket>(std::move(stream));
}

Result<void> Stream::open() {
  if (auto opened = Socket::open(); !opened) return opened;
  if (auto opened = id_.open_channel(); !opened) return opened;
  return watch(id_.event_fd());
}

Result<void> Stream::bind(Destination address) {
  std::lock_guard guard(lock_);
  if (state_ != State::kNew || bound_) return Error{EINVAL};
  if (rdma_bind_addr(id_.get(), writable(address.address)) != 0) return Error{errno};
  bound_ = true;
  return {};
}

// --- passive -----------------------------------------------------------------------------------------------------

Result<void> Stream::listen(int backlog) {
  std::lock_guard guard(lock_);
  if (state_ == State::kListening) return {};
  if (state_ != State::kNew) return Error{EINVAL};
  if (rdma_listen(id_.get(), backlog > 0 ? backlog : kDefaultBacklog) != 0) return Error{errno};
  state_ = State::kListening;
  return {};
}

Result<std::shared_ptr<Socket>> Stream::accept() {
  std::unique_lock guard(lock_);
  if (state_ != State::kListening) return Error{EINVAL};
  auto waited = wait(guard, nonblocking_, [this] { return !requests_.empty(); });
  if (!waited) return Error{waited.error()};
  Request request = requests_.front();
  requests_.pop_front();
  guard.unlock();
  auto stream = std::make_shared<Stream>(family_);
  stream->options_ = options_;
  if (auto adopted = stream->adopt(request); !adopted) return Error{adopted.error()};
  return std::shared_ptr<Socket>(std::move(stream));
}

Result<void> Stream::adopt(const Request& request) {
  auto ready = open();
  if (ready) ready = id_.adopt(request.id);
  if (!ready) {
    rdma_reject(request.id, nullptr, 0);
    rdma_destroy_id(request.id);
    return Error{ECONNABORTED};
  }
  if (ready = open_link(); ready) ready = set_keep_alive();
  if (!ready) {
    rdma_reject(id_.get(), nullptr, 0);
    return ready;
  }
  link_->greet(&request.hello);
  Hello hello = link_->hello();
  rdma_conn_param parameters = this->parameters(hello);
  if (rdma_accept(id_.get(), &parameters) != 0) return Error{ECONNABORTED};
  state_ = State::kConnected;
  return {};
}

void Stream::take_request(rdma_cm_event& event) {
  const rdma_conn_param& asked = event.param.conn;
  if (!Link::check(asked.private_data, asked.private_data_len)) {
    rdma_reject(event.id, nullptr, 0);
    return;
  }
  Request request{event.id, {}};
  memcpy(&request.hello, asked.private_data, sizeof request.hello);
  requests_.push_back(request);
}

/// Who asked has given up. False: accept() has it already.
bool Stream::forget_request(rdma_cm_id* id) {
  return std::erase_if(requests_, [&](const Request& each) { return each.id == id; }) != 0;
}

// --- active ------------------------------------------------------------------------------------------------------

Result<void> Stream::connect(Destination address) {
  std::unique_lock guard(lock_);
  if (state_ == State::kConnected) return Error{EISCONN};
  if (in_progress()) return Error{EALREADY};
  if (state_ == State::kListening) return Error{EOPNOTSUPP};
  if (state_ == State::kFailed) return Error{ECONNABORTED};
  if (auto started = start_connecting(address); !started) return started;
  auto waited = wait(guard, nonblocking_, [this] { return !in_progress(); });
  if (waited) return outcome();
  return Error{waited.error() == EAGAIN ? EINPROGRESS : waited.error()};
}

Result<void> Stream::start_connecting(Destination address) {
  if (address.address->sa_family != family_) return Error{EAFNOSUPPORT};
  if (rdma_resolve_addr(id_.get(), nullptr, writable(address.address), kResolveMilliseconds) != 0) return Error{errno};
  state_ = State::kResolvingAddress;
  return {};
}

Result<void> Stream::outcome() {
  if (state_ == State::kConnected) return {};
  int error = take_error();
  return Error{error ? error : ECONNABORTED};
}

rdma_conn_param Stream::parameters(const Hello& hello) const {
  rdma_conn_param parameters{};
  parameters.private_data = &hello;
  parameters.private_data_len = sizeof hello;
  parameters.responder_resources = parameters.initiator_depth = 1;
  parameters.flow_control = 1;
  parameters.retry_count = 7;
  parameters.rnr_retry_count = 7;
  return parameters;
}

Result<void> Stream::open_link() {
  link_.emplace();
  if (auto opened = link_->open(id_.get(), options_.limits); !opened) return opened;
  return watch(link_->event_fd());
}

void Stream::step(State next, int status) {
  if (status != 0) return fail(errno);
  state_ = next;
}

void Stream::request_connection() {
  if (auto opened = open_link(); !opened) return fail(opened.error());
  Hello hello = link_->hello();
  rdma_conn_param parameters = this->parameters(hello);
  step(State::kConnecting, rdma_connect(id_.get(), &parameters));
}

void Stream::established(const rdma_cm_event& event) {
  if (state_ != State::kConnecting) return;  // the passive side knows
  const rdma_conn_param& answer = event.param.conn;
  auto checked = Link::check(answer.private_data, answer.private_data_len);
  if (!checked) {
    rdma_disconnect(id_.get());
    return fail(checked.error());
  }
  link_->greet(answer.private_data);
  state_ = State::kConnected;
}

void Stream::fail(int error) {
  if (state_ == State::kConnected) return;  // the link tells
  error_ = error;
  state_ = State::kFailed;
}

void Stream::peer_left() {
  if (!std::exchange(peer_left_, true)) rdma_disconnect(id_.get());
}

// --- events of the connection manager ----------------------------------------------------------------------------

bool Stream::progress() {
  bool any = false;
  for (rdma_cm_event* event; (event = id_.next()) != nullptr; any = true) {
    rdma_cm_id* turned_away = nullptr;
    if (event->event == RDMA_CM_EVENT_CONNECT_REQUEST) {
      size_t before = requests_.size();
      take_request(*event);
      if (requests_.size() == before) turned_away = event->id;
    } else if (state_ == State::kListening) {
      if (forget_request(event->id)) turned_away = event->id;
    } else {
      take_event(*event);
    }
    rdma_ack_cm_event(event);
    if (turned_away) rdma_destroy_id(turned_away);
  }
  if (link_) any |= link_->progress();
  keep_alive();
  return any;
}

void Stream::take_event(rdma_cm_event& event) {
  switch (event.event) {
    case RDMA_CM_EVENT_ADDR_RESOLVED:
      return step(State::kResolvingRoute, rdma_resolve_route(id_.get(), kResolveMilliseconds));
    case RDMA_CM_EVENT_ROUTE_RESOLVED: return request_connection();
    case RDMA_CM_EVENT_ESTABLISHED: return established(event);
    case RDMA_CM_EVENT_DISCONNECTED: return peer_left();
    case RDMA_CM_EVENT_TIMEWAIT_EXIT:
    case RDMA_CM_EVENT_ADDR_CHANGE: return;
    default: return fail(error_of(event));
  }
}

void Stream::arm() {
  if (link_) link_->arm();
}

short Stream::events() {
  if (state_ == State::kListening) return requests_.empty() ? 0 : POLLIN;
  if (in_progress()) return 0;
  if (state_ != State::kConnected) return POLLOUT | POLLHUP | (error_ ? POLLERR | POLLIN : 0);
  bool over = this->over();
  bool end = link_->ended() || over || !may_read_;
  int events = 0;
  if (end || link_->readable()) events |= POLLIN;
  if (over || !may_write_ || link_->writable()) events |= POLLOUT;
  if (end) events |= POLLRDHUP;
  if (!link_->readable() && (over || (end && !may_write_))) events |= POLLHUP;  // what has come is read before
  if (link_->failed() && !link_->ended() && !peer_left_) events |= POLLERR;
  return static_cast<short>(events);
}

// --- the end -----------------------------------------------------------------------------------------------------

Result<void> Stream::end_stream(std::unique_lock<std::mutex>& guard, bool nonblocking) {
  if (!std::exchange(may_write_, false)) return {};
  auto waited = wait(guard, nonblocking, [this] { return link_->can_tell() || over(); });
  if (!waited) {
    may_write_ = true;
    return waited;
  }
  if (!over()) link_->tell_end();
  return {};
}

Result<void> Stream::shutdown(int how) {
  if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) return Error{EINVAL};
  std::unique_lock guard(lock_);
  if (state_ != State::kConnected) return Error{ENOTCONN};
  if (how != SHUT_WR) may_read_ = false;
  return how == SHUT_RD ? Result<void>() : end_stream(guard, nonblocking_);
}

void Stream::close() {
  std::unique_lock guard(lock_);
  for (Request& request : requests_) {
    rdma_reject(request.id, nullptr, 0);
    rdma_destroy_id(request.id);
  }
  requests_.clear();
  if (state_ != State::kConnected) return;
  bool abort = options_.lingering.l_onoff && options_.lingering.l_linger == 0;
  // What was sent has been acknowledged when the peer's side has it, whether or not its program reads.
  if (!abort && end_stream(guard, false)) {
    while (!wait(guard, false, [this] { return link_->delivered() || over(); })) {  // signals do not lose data
    }
  }
  if (!peer_left_) rdma_disconnect(id_.get());
}

}  // namespace vb::rsocket
