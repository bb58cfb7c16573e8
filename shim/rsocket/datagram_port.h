// SPDX-License-Identifier: BSD-2-Clause
// The UD queue pair of a datagram rsocket on one device. Guarded by the socket's lock.
#pragma once

#include <sys/socket.h>

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "rsocket/cm_id.h"

namespace vb::rsocket {

class DatagramPort {
 public:
  /// Told of each datagram: the sender's GID, and what it sent. The bytes hold until the return.
  using Receiver = std::function<void(const ibv_gid& from, std::span<const unsigned char> bytes)>;

  DatagramPort() = default;
  ~DatagramPort();
  DatagramPort(const DatagramPort&) = delete;
  DatagramPort& operator=(const DatagramPort&) = delete;

  /// On the device that has `local`. ENODEV: none has.
  Result<void> open(const sockaddr* local);
  const ibv_gid& gid() const { return gid_; }
  uint32_t qpn() const { return id_->qp->qp_num; }
  int event_fd() const { return channel_->fd; }

  bool progress(const Receiver& receiver);
  void arm();
  ibv_ah* address(const ibv_gid& gid);
  /// Sends what `fill` puts into the buffer. False: there is no room now. `size` is at most kMost.
  bool send(ibv_ah* to, uint32_t qpn, size_t size, const std::function<void(unsigned char*)>& fill);

  static constexpr size_t kMost = 4096;

 private:
  static constexpr uint32_t kReceives = 256;
  static constexpr uint32_t kSends = 128;
  static constexpr size_t kGrh = sizeof(ibv_grh);
  static constexpr uint64_t kIsSend = uint64_t{1} << 63;

  Result<void> make_queues();
  Result<void> make_memory();
  Result<void> find_gid_index();
  void post_receive(uint32_t slot);
  void received(const ibv_wc& wc, const Receiver& receiver);
  unsigned char* receive_buffer(uint32_t slot) const { return memory_.get() + size_t{slot} * (kGrh + kMost); }
  unsigned char* send_buffer(uint32_t slot) const { return receive_buffer(kReceives) + size_t{slot} * kMost; }

  rdma_cm_id* id_ = nullptr;
  ibv_gid gid_{};
  uint8_t gid_index_ = 0;
  ibv_comp_channel* channel_ = nullptr;
  ibv_cq* cq_ = nullptr;
  unsigned unacknowledged_ = 0;
  bool armed_ = false;
  std::unique_ptr<unsigned char[]> memory_;
  ibv_mr* mr_ = nullptr;
  std::vector<uint32_t> free_sends_;
};

}  // namespace vb::rsocket
