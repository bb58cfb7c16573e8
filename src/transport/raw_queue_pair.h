// SPDX-License-Identifier: BSD-2-Clause
// Raw packet queue pairs: a work request is an Ethernet frame, or a TCP message to be cut into frames.
#pragma once

#include <sys/uio.h>

#include <vector>

#include "transport/queue_pair.h"
#include "transport/raw_port.h"
#include "transport/raw_receiver.h"

namespace vb {

inline constexpr uint32_t kMaxTsoHeader = 512;
inline constexpr uint32_t kMaxTso = 256u << 10;

/// Where the header of a TSO work request stands in its ring slot, and what else it holds. SendWqe has room for them in
/// fields that only connected queue pairs use.
struct TsoRequest {
  static void set(SendWqe& wqe, uint16_t header_size, uint16_t mss) {
    wqe.compare_add = header_size;
    wqe.swap = mss;
  }
  static size_t header_size(const SendWqe& wqe) { return wqe.compare_add; }
  static size_t mss(const SendWqe& wqe) { return wqe.swap; }
  /// Behind the last SGE that the slot has room for.
  static unsigned char* header(SendWqe& wqe, uint32_t max_sge) {
    return reinterpret_cast<unsigned char*>(wqe.sges() + max_sge);
  }
  /// What a ring slot must have room for.
  static uint32_t room(uint32_t max_sge, uint32_t header) {
    return max_sge * static_cast<uint32_t>(sizeof(ibv_sge)) + header;
  }
};

/// How much a queue pair may send now: a bucket that fills at the rate limit and holds one burst.
class Pacer {
 public:
  /// `kbps` 0: no limit. `burst`: bytes; 0: what the rate gives in a millisecond, one frame at least.
  void set(uint32_t kbps, uint32_t burst);
  uint32_t kbps() const { return kbps_; }
  /// 0 when a frame may go now; else when to ask again.
  uint64_t ready_at(uint64_t now_ns);
  void sent(size_t bytes) { bucket_ -= static_cast<int64_t>(bytes); }

 private:
  uint32_t kbps_ = 0;
  int64_t burst_ = 0;
  int64_t bucket_ = 0;  ///< bytes; below 0 after a frame that was larger than what was left
  uint64_t filled_at_ = 0;
};

class RawQueuePair final : public QueuePair, private RawReceiver::Owner {
 public:
  explicit RawQueuePair(RawPort& port) : port_(port) {}

  RawReceiver receiver;  ///< its config is set when the queue pair's is
  Pacer pacer;
  void adopt_config();

  void run() override;
  /// No peer sends packets of ours to it.
  void receive(Channel&, const wire::Packet&) override {}
  void timer_expired() override { run(); }
  bool drained() const override { return send_queue.retired() == send_queue.posted(); }
  void flush() override;

 protected:
  void stop(ibv_wc_status first, uint32_t vendor_error) override;

 private:
  enum class Sent { kDone, kLater, kProtection, kLength, kRequest };

  bool receives_frames() const override { return can_receive() && !mute; }
  void receive_failed() override;
  Sent gather(SendWqe& wqe);
  bool add_pieces(const MemoryRegion& region, const ibv_sge& sge);
  Sent send(SendWqe& wqe);
  Sent send_large(SendWqe& wqe);
  Sent submit(const iovec* parts, size_t count);
  bool given_up();
  void complete(SendWqe& wqe, ibv_wc_status status);
  void retry_at(uint64_t deadline_ns);

  RawPort& port_;
  uint64_t refused_since_ = 0;  ///< when the interface began to take nothing; 0: it takes frames
  std::vector<iovec> parts_;
  std::vector<unsigned char> linear_;  ///< a frame whose checksums are filled in
  uint32_t segments_sent_ = 0;         ///< of the TSO request at the head, when there was no room for more
};

}  // namespace vb
