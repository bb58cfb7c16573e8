// SPDX-License-Identifier: BSD-2-Clause
// Streams: addresses and options. rsocket(7) lists them.
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cstring>

#include "rsocket/stream.h"

namespace vb::rsocket {

namespace {

constexpr int kLeastBuffer = 4096;
constexpr int kMaxBuffer = 1 << 28;
constexpr int kMaxDepth = 65000;
constexpr int kMaxInline = 512;
constexpr int kMaxMaps = 128;
constexpr int kMaxKeepSeconds = 32767;  ///< tcp(7)'s
constexpr int kMaxKeepCount = 127;
constexpr int kSegment = 1 << 16;  ///< what TCP_MAXSEG says: bytes of one message

}  // namespace

Result<void> Stream::local_address(Source out) {
  std::lock_guard guard(lock_);
  sockaddr* address = rdma_get_local_addr(id_.get());
  if (address->sa_family != AF_UNSPEC) {
    copy_address(address, out);
    return {};
  }
  sockaddr_storage any{};
  any.ss_family = static_cast<sa_family_t>(family_);
  copy_address(reinterpret_cast<sockaddr*>(&any), out);
  return {};
}

Result<void> Stream::peer_address(Source out) {
  std::lock_guard guard(lock_);
  if (in_progress()) take_in();
  if (state_ != State::kConnected) return Error{ENOTCONN};
  copy_address(rdma_get_peer_addr(id_.get()), out);
  return {};
}

/// Options that are numbers, kept and given back.
int* Stream::int_option(int level, int name) {
  if (level == SOL_SOCKET && name == SO_KEEPALIVE) return &options_.keep_alive;
  if (level == SOL_SOCKET && name == SO_OOBINLINE) return &options_.out_of_band_inline;
  if (level == IPPROTO_TCP && name == TCP_NODELAY) return &options_.no_delay;
  if (level == IPPROTO_TCP && name == TCP_KEEPIDLE) return &options_.keep_idle;
  if (level == IPPROTO_TCP && name == TCP_KEEPINTVL) return &options_.keep_interval;
  if (level == IPPROTO_TCP && name == TCP_KEEPCNT) return &options_.keep_count;
  return nullptr;
}

/// `name`: of a TCP option, else 0.
Result<void> Stream::set_number(int& option, int name, int value) {
  bool time = name == TCP_KEEPIDLE || name == TCP_KEEPINTVL || name == TCP_KEEPCNT;
  if (time && (value < 1 || value > (name == TCP_KEEPCNT ? kMaxKeepCount : kMaxKeepSeconds))) return Error{EINVAL};
  option = value;
  bool concerns = &option == &options_.keep_alive || name == TCP_KEEPIDLE;
  return concerns ? set_keep_alive() : Result<void>();
}

/// Sizes hold for a connection to come, so they are refused once it is there.
Result<void> Stream::set_size(int name, int value) {
  struct Row {
    int name, least, most;
    uint32_t LinkLimits::*limit;
  };
  static constexpr Row kRows[] = {{RDMA_SQSIZE, 2, kMaxDepth, &LinkLimits::send_depth},
                                  {RDMA_RQSIZE, 2, kMaxDepth, &LinkLimits::receive_depth},
                                  {RDMA_INLINE, 0, kMaxInline, &LinkLimits::inline_size},
                                  {RDMA_IOMAPSIZE, 0, kMaxMaps, &LinkLimits::io_maps}};
  if (link_) return Error{EINVAL};
  for (const Row& row : kRows) {
    if (row.name != name) continue;
    if (value < 0) return Error{EINVAL};
    options_.limits.*row.limit = static_cast<uint32_t>(std::clamp(value, row.least, row.most));
    return {};
  }
  return Error{ENOPROTOOPT};
}

Result<void> Stream::set_option(int level, int name, const void* value, socklen_t length) {
  std::lock_guard guard(lock_);
  if (level == SOL_SOCKET && name == SO_LINGER) {
    if (length < sizeof options_.lingering) return Error{EINVAL};
    memcpy(&options_.lingering, value, sizeof options_.lingering);
    return {};
  }
  if (level == SOL_RDMA && name == RDMA_ROUTE) {
    int set = rdma_set_option(id_.get(), RDMA_OPTION_IB, RDMA_OPTION_IB_PATH, const_cast<void*>(value), length);
    return set == 0 ? Result<void>() : Error{errno};
  }
  int number;
  if (length < sizeof number) return Error{EINVAL};
  memcpy(&number, value, sizeof number);
  if (int* option = int_option(level, name)) return set_number(*option, level == IPPROTO_TCP ? name : 0, number);
  if (level == SOL_RDMA) return set_size(name, number);
  auto pass_on = [&](int option, int& kept) {
    if (rdma_set_option(id_.get(), RDMA_OPTION_ID, option, &number, sizeof number) != 0)
      return Result<void>(Error{errno});
    kept = number;
    return Result<void>();
  };
  if (level == SOL_SOCKET && name == SO_REUSEADDR) return pass_on(RDMA_OPTION_ID_REUSEADDR, options_.reuse_address);
  if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY) return pass_on(RDMA_OPTION_ID_AFONLY, options_.only_ipv6);
  if (level == IPPROTO_IP && name == IP_TOS) {
    auto service = static_cast<uint8_t>(number);
    if (rdma_set_option(id_.get(), RDMA_OPTION_ID, RDMA_OPTION_ID_TOS, &service, sizeof service) != 0)
      return Error{errno};
    options_.service = service;
    return {};
  }
  if (level != SOL_SOCKET || (name != SO_RCVBUF && name != SO_SNDBUF)) return Error{ENOPROTOOPT};
  if (link_) return {};  // as with TCP, a buffer in use may stay as it is
  auto size = static_cast<uint32_t>(std::clamp(number, kLeastBuffer, kMaxBuffer));
  (name == SO_RCVBUF ? options_.limits.receive_size : options_.limits.send_size) = size;
  return {};
}

Result<void> Stream::get_option(int level, int name, void* value, socklen_t* length) {
  std::lock_guard guard(lock_);
  if (level == SOL_SOCKET && name == SO_LINGER) {
    if (!value || !length || *length < sizeof options_.lingering) return Error{EINVAL};
    memcpy(value, &options_.lingering, sizeof options_.lingering);
    *length = sizeof options_.lingering;
    return {};
  }
  if (level == SOL_SOCKET && name == SO_ERROR) {
    if (in_progress()) take_in();
    return copy_option(take_error(), value, length);
  }
  if (int* option = int_option(level, name)) return copy_option(*option, value, length);
  struct Row {
    int level, name, value;
  };
  const LinkLimits& limits = options_.limits;
  const Row rows[] = {{SOL_SOCKET, SO_REUSEADDR, options_.reuse_address},
                      {SOL_SOCKET, SO_TYPE, SOCK_STREAM},
                      {SOL_SOCKET, SO_DOMAIN, family_},
                      {SOL_SOCKET, SO_ACCEPTCONN, state_ == State::kListening},
                      {SOL_SOCKET, SO_RCVBUF, static_cast<int>(limits.receive_size)},
                      {SOL_SOCKET, SO_SNDBUF, static_cast<int>(limits.send_size)},
                      {IPPROTO_TCP, TCP_MAXSEG, kSegment},
                      {IPPROTO_IPV6, IPV6_V6ONLY, options_.only_ipv6},
                      {IPPROTO_IP, IP_TOS, options_.service},
                      {SOL_RDMA, RDMA_SQSIZE, static_cast<int>(limits.send_depth)},
                      {SOL_RDMA, RDMA_RQSIZE, static_cast<int>(limits.receive_depth)},
                      {SOL_RDMA, RDMA_INLINE, static_cast<int>(limits.inline_size)},
                      {SOL_RDMA, RDMA_IOMAPSIZE, static_cast<int>(limits.io_maps)}};
  for (const Row& row : rows) {
    if (row.level == level && row.name == name) return copy_option(row.value, value, length);
  }
  return Error{ENOPROTOOPT};
}

}  // namespace vb::rsocket
