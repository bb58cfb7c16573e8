// SPDX-License-Identifier: BSD-2-Clause
// The raw Ethernet side of a device's port: what its raw packet queue pairs send through, and the steering of what
// comes.
#pragma once

#include <map>
#include <memory>

#include "transport/flow_table.h"
#include "transport/packet_socket.h"
#include "transport/poller.h"

namespace vb {

class Lane;
class Router;

/// Lane's lock held throughout.
class RawPort {
 public:
  RawPort(uint32_t netdev, uint32_t mtu, bool loopback) : netdev_(netdev), mtu_(mtu), loopback_(loopback) {}

  Result<void> open() { return sender_.open(netdev_); }
  PacketSender& sender() { return sender_; }
  uint32_t mtu() const { return mtu_; }

  /// Frames are received from the first rule on. Errors: of the system calls.
  Result<void> add(FlowRule& rule, Poller& poller);
  void remove(FlowRule& rule);
  /// Steers what has come. Returns how many frames.
  size_t poll();

 private:
  void steer(ReceivedFrame& received);
  bool loops(const ReceivedFrame& received) const;

  uint32_t netdev_;
  uint32_t mtu_;
  bool loopback_;
  PacketSender sender_;
  std::unique_ptr<PacketReceiver> receiver_;  ///< while there are rules
  std::array<unsigned char, 6> address_{};
  FlowTable table_;
};

/// The raw ports in use, by interface. Lane's lock held.
class RawPorts {
 public:
  /// The port; made at the first use, EPERM without CAP_NET_RAW. It stays.
  Result<RawPort*> get(uint32_t netdev, uint32_t mtu, bool loopback);
  size_t poll();

 private:
  std::map<uint32_t, std::unique_ptr<RawPort>> ports_;
};

}  // namespace vb
