// SPDX-License-Identifier: BSD-2-Clause
// A test's grip on one End, wherever it lives: side.post_send(...) reads the same in both forms.
#pragma once

#include <future>
#include <memory>

#include "support/peer.h"

namespace vt {

class Side {
 public:
  // In this process.
  explicit Side(const EndOptions& options) : local_(std::make_unique<End>(options)) {}
  // In the peer process, which outlives this.
  Side(Peer& peer, const EndOptions& options) : peer_(&peer) {
    Writer out;
    out.put(kMakeEnd);
    out.put(options);
    peer_->send(out.bytes);
    reply();
  }

  End& local() { return *local_; }

  template <auto Method>
  using Result = typename Signature<decltype(Method)>::Result;

  template <auto Method, class... A>
  Result<Method> run(A&&... arguments) {
    if (local_) return ((*local_).*Method)(std::forward<A>(arguments)...);
    request<Method>(std::forward<A>(arguments)...);
    return result<Method>();
  }

  // Runs the call at the same time as what the test does next, until get().
  template <auto Method, class... A>
  auto start(A... arguments) {
    using R = Result<Method>;
    if (local_) {
      return std::async(std::launch::async, [=, this]() -> R { return ((*local_).*Method)(arguments...); });
    }
    request<Method>(arguments...);
    return std::async(std::launch::deferred, [this]() -> R { return result<Method>(); });
  }

  Address address(int qp = 0) { return run<&End::address>(qp); }
  int connect(const Address& peer, const Link& link, int qp = 0) { return run<&End::connect>(peer, link, qp); }
  int to_init(const Link& link, int qp = 0) { return run<&End::to_init>(link, qp); }
  int to_rtr(const Address& peer, const Link& link, int qp = 0) { return run<&End::to_rtr>(peer, link, qp); }
  int to_rts(const Link& link, int qp = 0) { return run<&End::to_rts>(link, qp); }
  int move(ibv_qp_state state, int qp = 0) { return run<&End::move>(state, qp); }
  QpView query(int qp = 0, int mask = IBV_QP_STATE) { return run<&End::query>(qp, mask); }
  ibv_qp_state state(int qp = 0) { return query(qp).attr.qp_state; }
  int destroy_qp(int qp = 0) { return run<&End::destroy_qp>(qp); }

  uint32_t srq_number() { return run<&End::srq_number>(); }
  int open_target(uint32_t qpn) { return run<&End::open_target>(qpn); }

  PostResult post_send(std::vector<SendWr> requests, int qp = 0) {
    return run<&End::post_send>(std::move(requests), qp);
  }
  PostResult post_send(SendWr request, int qp = 0) { return post_send(std::vector{std::move(request)}, qp); }
  PostResult post_recv(std::vector<RecvWr> requests, int qp = 0) {
    return run<&End::post_recv>(std::move(requests), qp);
  }
  PostResult post_recv(RecvWr request, int qp = 0) { return post_recv(std::vector{std::move(request)}, qp); }
  std::vector<ibv_wc> wait_send(int count = 1) { return run<&End::wait_send>(count); }
  std::vector<ibv_wc> wait_recv(int count = 1) { return run<&End::wait_recv>(count); }
  std::vector<ibv_wc> poll_send() { return run<&End::poll_send>(); }
  std::vector<ibv_wc> poll_recv() { return run<&End::poll_recv>(); }
  AsyncEvent wait_event(int milliseconds = 10000) { return run<&End::wait_event>(milliseconds); }
  int set_srq_limit(uint32_t limit) { return run<&End::set_srq_limit>(limit); }

  int to_datagrams(uint32_t qkey, int qp = 0) { return run<&End::to_datagrams>(qkey, qp); }
  uint64_t make_ah(const ibv_gid& to) { return run<&End::make_ah>(to); }
  uint64_t make_ah_in_other_pd(const ibv_gid& to) { return run<&End::make_ah_in_other_pd>(to); }
  uint64_t make_ah_from(const ibv_wc& wc, uint64_t offset) { return run<&End::make_ah_from>(wc, offset); }
  void drop_handles() { run<&End::drop_handles>(); }
  int attach(const ibv_gid& group, int qp = 0) { return run<&End::attach>(group, qp); }
  int detach(const ibv_gid& group, int qp = 0) { return run<&End::detach>(group, qp); }
  uint32_t qkey_violations() { return run<&End::qkey_violations>(); }

  Region reg(uint64_t offset, uint64_t length, int access) { return run<&End::reg>(offset, length, access); }
  Region reg_iova(uint64_t offset, uint64_t length, uint64_t iova, int access) {
    return run<&End::reg_iova>(offset, length, iova, access);
  }
  Region reg_in_other_pd(uint64_t offset, uint64_t length, int access) {
    return run<&End::reg_in_other_pd>(offset, length, access);
  }
  Region reg_file(const std::string& path, uint64_t length, int access) {
    return run<&End::reg_file>(Bytes(path.begin(), path.end()), length, access);
  }
  int dereg(int id) { return run<&End::dereg>(id); }
  uint32_t window_key() { return run<&End::window_key>(); }
  void fill(uint64_t offset, uint64_t length, uint64_t seed, uint64_t from = 0) {
    run<&End::fill>(offset, length, seed, from);
  }
  int64_t mismatch(uint64_t offset, uint64_t length, uint64_t seed, uint64_t from = 0) {
    return run<&End::mismatch>(offset, length, seed, from);
  }
  void store(uint64_t offset, Bytes bytes) { run<&End::store>(offset, std::move(bytes)); }
  Bytes load(uint64_t offset, uint64_t length) { return run<&End::load>(offset, length); }
  bool spin_on_byte(uint64_t offset, uint8_t value) { return run<&End::spin_on_byte>(offset, value); }

 private:
  template <auto Method, class... A>
  void request(A&&... arguments) {
    using Arguments = typename Signature<decltype(Method)>::Arguments;
    Writer out;
    out.put(call_index<Method>(Calls{}));
    std::apply([&](const auto&... values) { (out.put(values), ...); }, Arguments(std::forward<A>(arguments)...));
    peer_->send(out.bytes);
  }

  Reader reply() {
    Reader in(peer_->receive());
    if (auto failure = in.get<std::string>(); !failure.empty()) throw std::runtime_error("in the peer: " + failure);
    return in;
  }

  template <auto Method>
  Result<Method> result() {
    Reader in = reply();
    if constexpr (!std::is_void_v<Result<Method>>) return in.get<Result<Method>>();
  }

  std::unique_ptr<End> local_;
  Peer* peer_ = nullptr;
};

}  // namespace vt
