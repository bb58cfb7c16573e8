// SPDX-License-Identifier: BSD-2-Clause
#include "transport/packet_socket.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "base/fork.h"
#include "base/log.h"

namespace vb {
namespace {

constexpr uint32_t kRing = 8u << 20;
constexpr uint32_t kBlock = 64u << 10;
constexpr uint32_t kLargestSlot = 16u << 10;  ///< loopback's MTU of 64 KiB would leave few
constexpr uint32_t kTag = 4;                  ///< room for a VLAN tag in front
constexpr uint32_t kOverhead = 128;           ///< the kernel's header of a slot, and the Ethernet header

Result<Fd> open_on(uint32_t netdev, uint16_t protocol, Fd socket) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(protocol);
  address.sll_ifindex = static_cast<int>(netdev);
  if (bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return Error{errno};
  return socket;
}

/// Receives nothing until it is bound to a protocol.
Result<Fd> packet_socket() {
  Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return Error{errno};
  return socket;
}

template <class Value>
bool set(int socket, int option, const Value& value) {
  return setsockopt(socket, SOL_PACKET, option, &value, sizeof value) == 0;
}

tpacket_req ring_for(uint32_t mtu) {
  tpacket_req request{};
  request.tp_frame_size = std::min(std::bit_ceil(std::max(mtu, 1500u) + kOverhead), kLargestSlot);
  request.tp_block_size = kBlock;
  request.tp_block_nr = kRing / kBlock;
  request.tp_frame_nr = kRing / request.tp_frame_size;
  return request;
}

/// Puts a tag that the kernel holds beside the frame back where it was. Returns the frame's new first byte.
unsigned char* insert_tag(unsigned char* frame, const tpacket2_hdr& header, uint32_t status) {
  constexpr size_t kAddresses = 12;
  std::memmove(frame - kTag, frame, kAddresses);
  unsigned char* tag = frame - kTag + kAddresses;
  const uint16_t type = status & TP_STATUS_VLAN_TPID_VALID ? header.tp_vlan_tpid : uint16_t{ETH_P_8021Q};
  tag[0] = static_cast<unsigned char>(type >> 8);
  tag[1] = static_cast<unsigned char>(type);
  tag[2] = static_cast<unsigned char>(header.tp_vlan_tci >> 8);
  tag[3] = static_cast<unsigned char>(header.tp_vlan_tci);
  return frame - kTag;
}

}  // namespace

Result<void> PacketSender::open(uint32_t netdev) {
  auto socket = packet_socket();
  if (!socket) return Error{socket.error()};
  auto bound = open_on(netdev, 0, std::move(*socket));
  if (!bound) return Error{bound.error()};
  socket_ = std::move(*bound);
  close_in_child(socket_.get());
  return {};
}

int PacketSender::send(const iovec* parts, size_t count) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = count;
  return sendmsg(socket_.get(), &message, MSG_DONTWAIT) < 0 ? errno : 0;
}

PacketReceiver::~PacketReceiver() {
  if (socket_) count_lost();
  if (ring_) munmap(ring_, ring_size_);
  keep_in_child(socket_.get());
}

Result<void> PacketReceiver::open(uint32_t netdev, uint32_t mtu) {
  auto socket = packet_socket();
  if (!socket) return Error{socket.error()};
  const int fd = socket->get();
  const tpacket_req request = ring_for(mtu);
  if (!set(fd, PACKET_VERSION, int{TPACKET_V2}) || !set(fd, PACKET_RESERVE, kTag) ||
      !set(fd, PACKET_RX_RING, request)) {
    return Error{errno};
  }
  void* ring = mmap(nullptr, kRing, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (ring == MAP_FAILED) return Error{errno};
  madvise(ring, kRing, MADV_DONTFORK);
  ring_ = static_cast<unsigned char*>(ring);
  ring_size_ = kRing;
  slot_size_ = request.tp_frame_size;
  slots_ = request.tp_frame_nr;
  netdev_ = netdev;
  auto bound = open_on(netdev, ETH_P_ALL, std::move(*socket));
  if (!bound) return Error{bound.error()};
  socket_ = std::move(*bound);
  close_in_child(socket_.get());
  return {};
}

void PacketReceiver::set_promiscuous(uint32_t netdev, bool on) {
  packet_mreq request{};
  request.mr_ifindex = static_cast<int>(netdev);
  request.mr_type = PACKET_MR_PROMISC;
  set(socket_.get(), on ? PACKET_ADD_MEMBERSHIP : PACKET_DROP_MEMBERSHIP, request);
}

bool PacketReceiver::next(ReceivedFrame& frame) {
  unsigned char* slot = ring_ + size_t{at_} * slot_size_;
  auto* header = reinterpret_cast<tpacket2_hdr*>(slot);
  const uint32_t status = __atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE);
  if (!(status & TP_STATUS_USER)) return false;
  losing_ |= (status & TP_STATUS_LOSING) != 0;
  const auto* from = reinterpret_cast<const sockaddr_ll*>(slot + TPACKET_ALIGN(sizeof *header));
  frame = {};
  if (header->tp_snaplen < header->tp_len) {
    ++oversized_;
    return true;
  }
  unsigned char* first = slot + header->tp_mac;
  size_t size = header->tp_snaplen;
  if ((status & TP_STATUS_VLAN_VALID) && size >= ETH_HLEN) {
    first = insert_tag(first, *header, status);
    size += kTag;
  }
  frame.bytes = {first, size};
  frame.outgoing = from->sll_pkttype == PACKET_OUTGOING;
  frame.checksum_partial = status & TP_STATUS_CSUMNOTREADY;
  return true;
}

void PacketReceiver::done() {
  auto* header = reinterpret_cast<tpacket2_hdr*>(ring_ + size_t{at_} * slot_size_);
  __atomic_store_n(&header->tp_status, uint32_t{TP_STATUS_KERNEL}, __ATOMIC_RELEASE);
  at_ = at_ + 1 == slots_ ? 0 : at_ + 1;
}

/// The kernel starts its count anew with each look.
void PacketReceiver::count_lost() {
  losing_ = false;
  tpacket_stats statistics{};
  socklen_t size = sizeof statistics;
  if (getsockopt(socket_.get(), SOL_PACKET, PACKET_STATISTICS, &statistics, &size) != 0) return;
  if (statistics.tp_drops == 0) return;
  lost_ += statistics.tp_drops;
  static std::atomic<bool> told{false};
  char name[IF_NAMESIZE] = "?";
  if_indextoname(netdev_, name);
  log_once(told, LogLevel::warn,
           "frames of %s found no room in the ring of %u slots, %llu so far: nobody polls in time", name, slots_,
           static_cast<unsigned long long>(lost_));
  log(LogLevel::info, "%s: %u frames found no room, %llu in all", name, statistics.tp_drops,
      static_cast<unsigned long long>(lost_));
}

}  // namespace vb
