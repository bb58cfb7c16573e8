// SPDX-License-Identifier: BSD-2-Clause
// Whole Ethernet frames of a network interface, through AF_PACKET (packet(7)). Needs CAP_NET_RAW.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>

#include "base/fd.h"
#include "base/result.h"

namespace vb {

/// Sends frames. Lane's lock held.
class PacketSender {
 public:
  /// EPERM without CAP_NET_RAW.
  Result<void> open(uint32_t netdev);
  /// 0, or the errno of sendmsg(2). EAGAIN: no room now; ENOBUFS: none in the interface's queue, or a filter took it.
  int send(const iovec* parts, size_t count);

 private:
  Fd socket_;
};

/// One frame that was received. The bytes may be changed.
struct ReceivedFrame {
  std::span<unsigned char> bytes;
  bool outgoing = false;          ///< this host sends it
  bool checksum_partial = false;  ///< its L4 checksum is still to be completed, as an adapter would when it sends it
};

/// Receives frames by a ring that is shared with the kernel, so that looking for one costs no system call. Lane's lock
/// held.
class PacketReceiver {
 public:
  PacketReceiver() = default;
  ~PacketReceiver();
  PacketReceiver(const PacketReceiver&) = delete;
  PacketReceiver& operator=(const PacketReceiver&) = delete;

  /// `mtu`: of the interface. EPERM without CAP_NET_RAW.
  Result<void> open(uint32_t netdev, uint32_t mtu);
  /// The interface's own address filter is off while this is on.
  void set_promiscuous(uint32_t netdev, bool on);
  int fd() const { return socket_.get(); }

  /// Hands up to `limit` frames to visit(ReceivedFrame&); returns how many. Tags that the kernel has taken out of
  /// frames are back in.
  template <class Visit>
  size_t receive(size_t limit, Visit visit) {
    size_t count = 0;
    for (ReceivedFrame frame; count < limit && next(frame); ++count, done()) {
      if (!frame.bytes.empty()) visit(frame);
    }
    if (losing_) [[unlikely]]
      count_lost();
    return count;
  }
  /// Frames that were longer than the interface's MTU allows (the kernel's own, not yet cut into segments): left out.
  uint64_t oversized() const { return oversized_; }
  /// Frames that found no room in the ring, as the kernel counts them: known as soon as a frame is received that came
  /// after them.
  uint64_t lost() const { return lost_; }

 private:
  bool next(ReceivedFrame& frame);
  void done();
  void count_lost();

  Fd socket_;
  uint32_t netdev_ = 0;
  unsigned char* ring_ = nullptr;
  size_t ring_size_ = 0;
  uint32_t slot_size_ = 0;
  uint32_t slots_ = 0;
  uint32_t at_ = 0;
  uint64_t oversized_ = 0;
  uint64_t lost_ = 0;
  bool losing_ = false;  ///< the kernel has lost frames that are not counted yet
};

}  // namespace vb
