// SPDX-License-Identifier: BSD-2-Clause
#include "transport/raw_queue_pair.h"

#include <algorithm>
#include <cerrno>

#include "base/clock.h"
#include "base/log.h"
#include "base/safe_copy.h"
#include "transport/ether_checksum.h"
#include "transport/lane.h"

namespace vb {
namespace {

constexpr uint64_t kRetry = 50'000;     ///< ns; nothing tells when an interface has room again
constexpr uint64_t kRefusal = kSecond;  ///< after which an interface that takes nothing is taken to filter

size_t total(const std::vector<iovec>& parts) {
  size_t size = 0;
  for (const iovec& part : parts) size += part.iov_len;
  return size;
}

/// Copies [offset, offset+size) of the parts. False: some of it is not there.
bool copy_out(const std::vector<iovec>& parts, bool may_fault, size_t offset, unsigned char* to, size_t size) {
  for (const iovec& part : parts) {
    if (offset >= part.iov_len) {
      offset -= part.iov_len;
      continue;
    }
    const size_t length = std::min(size, part.iov_len - offset);
    const auto* from = static_cast<const unsigned char*>(part.iov_base) + offset;
    if (!may_fault) {
      std::copy_n(from, length, to);
    } else if (!safe_read(to, from, length)) {
      return false;
    }
    to += length;
    size -= length;
    offset = 0;
    if (size == 0) break;
  }
  return true;
}

}  // namespace

void Pacer::set(uint32_t kbps, uint32_t burst) {
  const int64_t per_millisecond = kbps / 8;
  kbps_ = kbps;
  burst_ = burst != 0 ? burst : std::max<int64_t>(per_millisecond, 1);
  bucket_ = burst_;
  filled_at_ = clock_ns();
}

uint64_t Pacer::ready_at(uint64_t now_ns) {
  if (kbps_ == 0) return 0;
  // kbps / 8 bytes in a millisecond. Time that gives no whole byte is kept for the next look.
  const auto bytes = static_cast<int64_t>(static_cast<__uint128_t>(now_ns - filled_at_) * kbps_ / 8'000'000);
  if (bytes > 0) {
    bucket_ = std::min(burst_, bucket_ + bytes);
    filled_at_ = now_ns;
  }
  if (bucket_ > 0) return 0;
  return now_ns + static_cast<uint64_t>(1 - bucket_) * 8'000'000 / kbps_ + 1;
}

void RawQueuePair::adopt_config() {
  receiver.config = {config.lane, this, &receive_queue, config.recv_cq, config.pd, qpn, receiver.config.strips_vlan};
}

// --- sending -----------------------------------------------------------------------------------------------------

void RawQueuePair::retry_at(uint64_t deadline_ns) { config.lane->start_timer(*this, deadline_ns); }

void RawQueuePair::run() {
  const ibv_qp_state now = state();
  if (now == IBV_QPS_ERR) return flush();
  if (now != IBV_QPS_RTS) return;
  while (!drained()) {
    if (pacer.kbps() != 0) {
      if (const uint64_t at = pacer.ready_at(clock_ns()); at != 0) return retry_at(at);
    }
    SendWqe& wqe = send_queue.at(send_queue.retired());
    switch (send(wqe)) {
      case Sent::kDone: complete(wqe, IBV_WC_SUCCESS); break;
      case Sent::kLater: return retry_at(clock_ns() + kRetry);
      case Sent::kProtection: return fail(IBV_WC_LOC_PROT_ERR);
      case Sent::kLength: return fail(IBV_WC_LOC_LEN_ERR);
      case Sent::kRequest: return fail(IBV_WC_LOC_QP_OP_ERR);
    }
  }
  config.lane->drained(*this);
}

/// Where the request's bytes are: parts_.
RawQueuePair::Sent RawQueuePair::gather(SendWqe& wqe) {
  parts_.clear();
  wqe.may_fault = false;
  if (wqe.is_inline()) {
    parts_.push_back({wqe.inline_data(), wqe.length});
    return Sent::kDone;
  }
  for (uint32_t i = 0; i < wqe.sge_count; ++i) {
    const ibv_sge& sge = wqe.sges()[i];
    if (sge.length == 0) continue;
    const MemoryRegion* region = config.lane->memory.local(sge.lkey, config.pd, sge.addr, sge.length, kLocalRead);
    if (!region) return Sent::kProtection;
    wqe.may_fault |= region->may_fault;
    if (!region->layout) {
      parts_.push_back({region->host(sge.addr), sge.length});
    } else if (!add_pieces(*region, sge)) {
      return Sent::kProtection;
    }
  }
  return Sent::kDone;
}

/// Of a key that stands for pieces of other regions.
bool RawQueuePair::add_pieces(const MemoryRegion& region, const ibv_sge& sge) {
  std::vector<RealPiece> pieces;
  if (!resolve_indirect(config.lane->memory, region, region.host(sge.addr), sge.length, kLocalRead, pieces))
    return false;
  for (const RealPiece& piece : pieces) parts_.push_back({piece.at, piece.size});
  return true;
}

/// The kernel says the same when the interface's queue is full and when a filter of the host's drops the frame: which,
/// time tells. What a filter drops is lost, as behind an adapter.
bool RawQueuePair::given_up() {
  const uint64_t now = clock_ns();
  if (refused_since_ == 0) refused_since_ = now;
  if (now - refused_since_ < kRefusal) return false;
  static std::atomic<bool> told{false};
  log_once(told, LogLevel::warn, "raw packets: the interface has taken no frame for a second: what it refuses is lost");
  return true;
}

/// An interface that is down takes frames and loses them, as an adapter without a link does.
RawQueuePair::Sent RawQueuePair::submit(const iovec* parts, size_t count) {
  const int error = port_.sender().send(parts, count);
  if (error == ENOBUFS) return given_up() ? Sent::kDone : Sent::kLater;
  refused_since_ = 0;
  switch (error) {
    case 0:
    case ENETDOWN:
    case ENXIO: return Sent::kDone;
    case EAGAIN:
    case ENOMEM: return Sent::kLater;
    case EMSGSIZE: return Sent::kLength;
    case EFAULT: return Sent::kProtection;
    default: return Sent::kRequest;
  }
}

RawQueuePair::Sent RawQueuePair::send(SendWqe& wqe) {
  if (const Sent gathered = gather(wqe); gathered != Sent::kDone) return gathered;
  if (wqe.opcode == IBV_WR_TSO) return send_large(wqe);
  const size_t size = total(parts_);
  if (size < ether::kHeader) return Sent::kLength;
  Sent sent;
  if (wqe.flags & IBV_SEND_IP_CSUM) {
    linear_.resize(size);
    if (!copy_out(parts_, wqe.may_fault, 0, linear_.data(), size)) return Sent::kProtection;
    ether::complete_checksums(linear_);
    const iovec whole{linear_.data(), size};
    sent = submit(&whole, 1);
  } else {
    sent = submit(parts_.data(), parts_.size());
  }
  if (sent == Sent::kDone) pacer.sent(size);
  return sent;
}

RawQueuePair::Sent RawQueuePair::send_large(SendWqe& wqe) {
  const size_t header = TsoRequest::header_size(wqe), mss = TsoRequest::mss(wqe), size = total(parts_);
  if (header < ether::kHeader || mss == 0 || size == 0 || size > kMaxTso) return Sent::kRequest;
  const auto count = static_cast<uint32_t>((size + mss - 1) / mss);
  for (; segments_sent_ < count; ++segments_sent_) {
    const size_t offset = size_t{segments_sent_} * mss;
    const size_t length = std::min(mss, size - offset);
    linear_.resize(header + length);
    std::copy_n(TsoRequest::header(wqe, send_queue.max_sge()), header, linear_.begin());
    if (!copy_out(parts_, wqe.may_fault, offset, linear_.data() + header, length)) return Sent::kProtection;
    const ether::Segment segment{static_cast<uint32_t>(offset), segments_sent_, segments_sent_ + 1 == count};
    if (!ether::finish_segment(linear_, segment)) return Sent::kRequest;
    const iovec whole{linear_.data(), linear_.size()};
    if (const Sent sent = submit(&whole, 1); sent != Sent::kDone) return sent;
    pacer.sent(linear_.size());
  }
  segments_sent_ = 0;
  return Sent::kDone;
}

void RawQueuePair::complete(SendWqe& wqe, ibv_wc_status status) {
  Cqe cqe;
  cqe.wr_id = wqe.wr_id;
  cqe.status = status;
  cqe.opcode = wqe.opcode == IBV_WR_TSO ? IBV_WC_TSO : IBV_WC_SEND;
  cqe.byte_len = wqe.length;
  cqe.qp_num = qpn;
  const bool shown = status != IBV_WC_SUCCESS || config.signal_all || (wqe.flags & IBV_SEND_SIGNALED);
  // Free first: whoever polls the completion may post at once.
  send_queue.retire();
  if (shown && !mute) config.send_cq->push(cqe, true);
}

void RawQueuePair::stop(ibv_wc_status first, uint32_t) {
  segments_sent_ = 0;
  if (first != IBV_WC_WR_FLUSH_ERR && !drained()) complete(send_queue.at(send_queue.retired()), first);
  flush();
}

void RawQueuePair::flush() {
  while (!drained()) complete(send_queue.at(send_queue.retired()), IBV_WC_WR_FLUSH_ERR);
  flush_receives();
}

void RawQueuePair::receive_failed() { fail(IBV_WC_WR_FLUSH_ERR); }

}  // namespace vb
