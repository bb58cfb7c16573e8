// SPDX-License-Identifier: BSD-2-Clause
#include "transport/raw_receiver.h"

#include <algorithm>

#include "base/log.h"
#include "transport/lane.h"

namespace vb {
namespace {

constexpr size_t kTagAt = 12;  ///< a VLAN tag stands behind the two addresses
constexpr size_t kTag = 4;

/// The bytes of a frame, without the four at `skip` (if it is not 0), in pieces.
class Pieces {
 public:
  Pieces(std::span<const unsigned char> bytes, size_t skip)
      : first_(skip ? bytes.first(skip) : bytes),
        second_(skip ? bytes.subspan(skip + kTag) : std::span<const unsigned char>{}) {}
  size_t left() const { return first_.size() + second_.size(); }
  /// False: the memory is not there.
  bool copy(const MemoryTable& memory, const MemoryRegion& region, unsigned char* to, size_t size) {
    while (size > 0) {
      if (first_.empty()) std::swap(first_, second_);
      const size_t part = std::min(size, first_.size());
      if (!region.may_fault) {
        std::copy_n(first_.data(), part, to);
      } else if (!store(memory, region, to, first_.data(), part)) {
        return false;
      }
      first_ = first_.subspan(part);
      to += part;
      size -= part;
    }
    return true;
  }

 private:
  std::span<const unsigned char> first_;
  std::span<const unsigned char> second_;
};

}  // namespace

RawReceiver::~RawReceiver() {
  if (dropped == 0) return;
  log(LogLevel::info, "raw packets: %llu frames for queue 0x%x found no receive posted",
      static_cast<unsigned long long>(dropped), config.number);
}

ibv_wc_status RawReceiver::fill(const ReceiveWqe& wqe, std::span<const unsigned char> bytes, size_t tag_at) {
  Pieces pieces(bytes, tag_at);
  for (uint32_t i = 0; i < wqe.sge_count && pieces.left() > 0; ++i) {
    const ibv_sge& sge = wqe.sge[i];
    const size_t part = std::min<size_t>(sge.length, pieces.left());
    if (part == 0) continue;
    const MemoryRegion* region = config.lane->memory.local(sge.lkey, config.pd, sge.addr, part, kLocalWrite);
    if (!region) return IBV_WC_LOC_PROT_ERR;
    if (!pieces.copy(config.lane->memory, *region, region->host(sge.addr), part)) return IBV_WC_LOC_PROT_ERR;
  }
  return pieces.left() > 0 ? IBV_WC_LOC_LEN_ERR : IBV_WC_SUCCESS;
}

void RawReceiver::deliver(const ether::Frame& frame, const FrameInfo& info) {
  if (!config.owner->receives_frames()) return drop();
  if (!config.delays_drop || !delay(frame, info)) take(frame, info);
}

void RawReceiver::drop() {
  ++dropped;
  static std::atomic<bool> told{false};
  log_once(told, LogLevel::info, "raw packets: a frame for queue 0x%x finds no receive posted, and is lost",
           config.number);
}

/// Behind those that wait, or with no receive there, a frame waits. False: it need not, or there are too many.
bool RawReceiver::delay(const ether::Frame& frame, const FrameInfo& info) {
  catch_up();
  if (delayed_.empty() && !config.queue->empty()) return false;
  if (delayed_.size() >= kMostDelayed) return false;
  delayed_.push_back({{frame.bytes.begin(), frame.bytes.end()}, info});
  behind_.store(true, std::memory_order_release);
  return true;
}

void RawReceiver::catch_up() {
  while (!delayed_.empty() && !config.queue->empty() && config.owner->receives_frames()) {
    const Delayed delayed = std::move(delayed_.front());
    delayed_.pop_front();
    ether::Frame frame;
    if (ether::parse(delayed.bytes, frame)) take(frame, delayed.info);
  }
  behind_.store(!delayed_.empty(), std::memory_order_release);
}

void RawReceiver::forget() {
  dropped += delayed_.size();
  delayed_.clear();
  behind_.store(false, std::memory_order_release);
}

void RawReceiver::take(const ether::Frame& frame, const FrameInfo& info) {
  ReceiveWqe wqe;
  bool limit_reached = false;
  if (!config.queue->pop(wqe, limit_reached)) return drop();
  const bool strip = config.strips_vlan && frame.outer.vlan;
  Cqe cqe;
  cqe.wr_id = wqe.wr_id;
  cqe.opcode = IBV_WC_RECV;
  cqe.qp_num = config.number;
  cqe.byte_len = static_cast<uint32_t>(frame.bytes.size() - (strip ? kTag : 0));
  cqe.flow_tag = info.tag;
  cqe.status = fill(wqe, frame.bytes, strip ? kTagAt : 0);
  if (info.checksums_good) cqe.wc_flags |= IBV_WC_IP_CSUM_OK;
  if (strip) cqe.cvlan = frame.outer.vlan_tci;
  config.cq->push(cqe, true);
  if (cqe.status != IBV_WC_SUCCESS) config.owner->receive_failed();
}

void RawReceiver::flush() {
  forget();
  ReceiveWqe wqe;
  for (bool limit = false; config.queue->pop(wqe, limit);) {
    Cqe cqe;
    cqe.wr_id = wqe.wr_id;
    cqe.status = IBV_WC_WR_FLUSH_ERR;
    cqe.opcode = IBV_WC_RECV;
    cqe.qp_num = config.number;
    config.cq->push(cqe, true);
  }
}

}  // namespace vb
