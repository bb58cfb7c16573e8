// SPDX-License-Identifier: BSD-2-Clause
// A stream rsocket: connection set-up by the connection manager, then a Link.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "rsocket/cm_id.h"
#include "rsocket/link.h"
#include "rsocket/socket.h"

namespace vb::rsocket {

class Stream final : public Socket {
 public:
  static Result<std::shared_ptr<Socket>> create(int family);
  explicit Stream(int family);
  ~Stream() override;

  Result<void> bind(Destination address) override;
  Result<void> listen(int backlog) override;
  Result<std::shared_ptr<Socket>> accept() override;
  Result<void> connect(Destination address) override;
  Result<void> shutdown(int how) override;
  void close() override;
  Result<size_t> send(Buffers data, int flags, Destination to) override;
  Result<size_t> receive(Buffers room, int flags, Source from) override;
  Result<void> local_address(Source out) override;
  Result<void> peer_address(Source out) override;
  Result<void> set_option(int level, int name, const void* value, socklen_t length) override;
  Result<void> get_option(int level, int name, void* value, socklen_t* length) override;

  // Direct placement. rsocket(7).
  /// The offset by which the peer writes into `buffer`.
  Result<off_t> map(void* buffer, size_t length, int protection, off_t offset);
  Result<void> unmap(void* buffer, size_t length);
  Result<size_t> write_mapped(const void* data, size_t size, off_t offset, int flags);

 private:
  enum class State { kNew, kListening, kResolvingAddress, kResolvingRoute, kConnecting, kConnected, kFailed };

  struct Options {
    LinkLimits limits;
    int reuse_address = 0, only_ipv6 = 0, keep_alive = 0, out_of_band_inline = 0, no_delay = 0, service = 0;
    int keep_idle = 7200, keep_interval = 75, keep_count = 9;  ///< tcp(7)'s
    linger lingering{};
  };

  /// A connection that was asked for and not accepted yet.
  struct Request {
    rdma_cm_id* id;
    Hello hello;
  };

  /// A buffer of ours that was mapped.
  struct Mapping {
    void* buffer = nullptr;
    size_t length = 0;
    off_t offset = 0;
    ibv_mr* mr = nullptr;
    bool announced = false;
  };

  bool progress() override;
  void arm() override;
  short events() override;

  Result<void> open();
  Result<void> open_id();
  Result<void> start_connecting(Destination address);
  bool in_progress() const { return state_ > State::kListening && state_ < State::kConnected; }
  Result<void> outcome();
  void take_event(rdma_cm_event& event);
  void take_request(rdma_cm_event& event);
  bool forget_request(rdma_cm_id* id);
  void next_step(const rdma_cm_event& event);
  void step(State next, int status);
  void request_connection();
  void established(const rdma_cm_event& event);
  void fail(int error);
  void peer_left();
  Result<void> open_link();
  Result<void> adopt(const Request& request);
  rdma_conn_param parameters(const Hello& hello) const;
  Result<void> check_connected() const;
  int take_error() { return std::exchange(error_, 0); }
  bool over() const { return peer_left_ || link_->failed(); }
  Result<void> end_stream(std::unique_lock<std::mutex>& guard, bool nonblocking);
  Result<void> wait_to_tell(std::unique_lock<std::mutex>& guard) {
    return wait(guard, false, [this] { return link_->can_tell() || over(); });
  }
  const RemoteMap* remote_map(uint64_t offset) const;
  int* int_option(int level, int name);
  Result<void> set_size(int name, int value);
  Result<void> set_number(int& option, int name, int value);
  Result<void> set_keep_alive();
  void keep_alive();

  int family_;
  State state_ = State::kNew;
  int error_ = 0;  ///< what SO_ERROR says
  Options options_;
  CmId id_;
  bool bound_ = false;
  bool peer_left_ = false, may_read_ = true, may_write_ = true;
  std::optional<Link> link_;
  std::deque<Request> requests_;
  std::vector<Mapping> mappings_;
  Fd keep_timer_;  ///< none: it was never asked to keep alive
  uint64_t keep_period_ns_ = 0, keep_due_ns_ = 0;
  uint64_t keep_news_ = 0;  ///< of the link, at the last look
};

}  // namespace vb::rsocket
