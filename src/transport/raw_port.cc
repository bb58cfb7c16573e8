// SPDX-License-Identifier: BSD-2-Clause
#include "transport/raw_port.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>

#include "transport/ether_checksum.h"

namespace vb {
namespace {

constexpr size_t kAtOnce = 64;  ///< frames of one pass: the rest of the transport has its turn

std::array<unsigned char, 6> hardware_address(uint32_t netdev) {
  std::array<unsigned char, 6> address{};
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  if (!socket || !if_indextoname(netdev, request.ifr_name)) return address;
  if (ioctl(socket.get(), SIOCGIFHWADDR, &request) != 0) return address;
  std::copy_n(reinterpret_cast<unsigned char*>(request.ifr_hwaddr.sa_data), address.size(), address.begin());
  return address;
}

}  // namespace

Result<void> RawPort::add(FlowRule& rule, Poller& poller) {
  if (!receiver_) {
    auto receiver = std::make_unique<PacketReceiver>();
    if (auto opened = receiver->open(netdev_, mtu_); !opened) return opened;
    // Rules may name any address, as on an adapter, which filters by rules alone.
    receiver->set_promiscuous(netdev_, true);
    address_ = hardware_address(netdev_);
    poller.add_fabric(receiver->fd());
    receiver_ = std::move(receiver);
  }
  table_.add(rule);
  return {};
}

void RawPort::remove(FlowRule& rule) {
  table_.remove(rule);
  if (table_.empty()) receiver_.reset();
}

/// Of what this host sends, what an adapter would loop back to its own port. The loopback interface does it itself.
bool RawPort::loops(const ReceivedFrame& received) const {
  if (!received.outgoing) return true;
  const auto to = received.bytes.first(std::min(received.bytes.size(), address_.size()));
  return (to[0] & 1) != 0 || std::equal(to.begin(), to.end(), address_.begin(), address_.end());
}

void RawPort::steer(ReceivedFrame& received) {
  if (loopback_ && received.outgoing) return;
  if (received.checksum_partial) ether::complete_checksums(received.bytes);
  ether::Frame frame;
  if (!ether::parse(received.bytes, frame)) return;
  FrameInfo info;
  info.loops = loops(received);
  info.is_ip = frame.outer.ip_version != 0;
  info.checksums_good = info.is_ip && (received.checksum_partial || ether::checksums_good(frame));
  table_.steer(frame, info);
}

size_t RawPort::poll() {
  if (!receiver_) return 0;
  return receiver_->receive(kAtOnce, [this](ReceivedFrame& received) { steer(received); });
}

Result<RawPort*> RawPorts::get(uint32_t netdev, uint32_t mtu, bool loopback) {
  if (const auto found = ports_.find(netdev); found != ports_.end()) return found->second.get();
  auto fresh = std::make_unique<RawPort>(netdev, mtu, loopback);
  if (auto opened = fresh->open(); !opened) return Error{opened.error()};
  return ports_.emplace(netdev, std::move(fresh)).first->second.get();
}

size_t RawPorts::poll() {
  size_t count = 0;
  for (auto& [netdev, port] : ports_) count += port->poll();
  return count;
}

}  // namespace vb
