// SPDX-License-Identifier: BSD-2-Clause
#include "transport/channel.h"

#include <atomic>
#include <cerrno>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "transport/lane.h"
#include "transport/presence.h"
#include "transport/router.h"
#include "wire/packet.h"

namespace vb {

namespace {
// The most that stands in front of a payload.
constexpr size_t kOverhead = sizeof(wire::FrameHeader) + sizeof(wire::PacketHeader) + sizeof(wire::RdmaHeader);
constexpr uint64_t kFabricPatience = 5 * kSecond;  ///< for frames, while the control connection works
constexpr uint32_t kReports = 100;    ///< and how often the peer must have said so: one that was stopped says it once
constexpr size_t kMaxOrphans = 4096;  ///< several for each queue pair that a busy peer loses at once
}  // namespace

Channel::Channel(Lane& lane, Rail& rail, const Peer& peer)
    : lane_(lane), rail_(rail), peer_(peer), eager_limit_(rail.endpoint->traits().frame_size - kOverhead) {}

Channel::~Channel() {
  if (peer_.process != ProcessId{}) rail_.remove_peer(peer_.address);
  if (peer_.presence) unmap_presence(peer_.presence);
}

bool Channel::open_frame(Use use) {
  current_ = rail_.frames.take(use == Use::kRequest ? FramePool::kForAnswers : 0);
  if (!current_) return false;
  current_->owner = this;
  ++frames_out_;
  wire::FrameHeader header{peer_.token, next_sent_++, 0};
  memcpy(current_->data, &header, sizeof header);
  current_->size = sizeof header;
  lane_.dirty(*this);
  return true;
}

unsigned char* Channel::begin(size_t size, Use use) {
  if (!alive_) return nullptr;
  // Requests queue behind what the fabric refuses; answers are few and free the other side.
  if (use == Use::kRequest && backlog_) return nullptr;
  if (current_ && wire::padded(current_->size) + size > rail_.endpoint->traits().frame_size) flush();
  if (!current_ && !open_frame(use)) return nullptr;
  before_last_ = current_->size;
  size_t at = wire::padded(current_->size);
  current_->size = static_cast<uint32_t>(at + size);
  return current_->data + at;
}

void Channel::flush() {
  fabric::Frame* frame = current_;
  if (!frame) return;
  current_ = nullptr;
  ListNode<Channel, OnDirty>::unlink();
  submit(*frame);
}

void Channel::wait(QueuePair& qp) {
  if (!alive_) return;
  stalled_.push_back(qp);
  lane_.stalled(*this);
}

void Channel::answer(const wire::PacketHeader& header) {
  if (!alive_) return;
  unsigned char* at = orphans_.empty() ? begin(sizeof header, Use::kAnswer) : nullptr;
  if (at) {
    memcpy(at, &header, sizeof header);
    return;
  }
  if (orphans_.size() >= kMaxOrphans) {
    static std::atomic<bool> told{false};
    log_once(told, LogLevel::warn,
             "a peer asks for queue pairs that are not there, and takes no answers: it is cut off");
    return lane_.lost(*this);
  }
  orphans_.push_back(header);
  lane_.stalled(*this);
}

/// False: there is no room for all of them yet.
bool Channel::send_orphans() {
  while (!orphans_.empty()) {
    const wire::PacketHeader& header = orphans_.front();
    unsigned char* at = begin(sizeof header, Use::kAnswer);
    if (!at) return false;
    memcpy(at, &header, sizeof header);
    orphans_.pop_front();
  }
  return true;
}

void Channel::begin_connection() {
  if (!alive_) return;
  must_begin_ = frames_sent_ == 0 && !current_ && !open_frame(Use::kAnswer);
  if (must_begin_) return lane_.stalled(*this);
  flush();
}

void Channel::let_go() {
  if (!std::exchange(held_, false)) return;
  if (stalled()) lane_.stalled(*this);
}

bool Channel::in_sequence(uint32_t sequence) {
  if (sequence == next_received_) [[likely]] {
    if (next_received_++ == 0) [[unlikely]]
      lane_.heard(*this);
    return true;
  }
  log(LogLevel::warn, "frame %u came from a peer instead of frame %u: the fabric has lost some, the channel ends",
      sequence, next_received_);
  lane_.lost(*this);
  return false;
}

void Channel::expect(uint32_t frames, uint64_t now_ns) {
  if (!before(next_received_, frames)) {
    overdue_.reports = 0;
    return;
  }
  if (overdue_.reports == 0 || overdue_.received != next_received_) overdue_ = {next_received_, 0, now_ns};
  if (++overdue_.reports < kReports || now_ns - overdue_.since_ns < kFabricPatience) return;
  log(LogLevel::warn, "a peer has sent %u frames and %u have come: the fabric has lost some, the channel ends", frames,
      next_received_);
  overdue_.reports = 0;
  lane_.lost(*this);
}

void Channel::submit(fabric::Frame& frame) {
  int status = backlog_ || held_ ? EAGAIN : rail_.endpoint->send(peer_.address, frame);
  if (status == 0) {
    ++frames_sent_;
    return wake_peer();
  }
  if (status != EAGAIN) {
    log(LogLevel::debug, "a frame of %u bytes is refused by the fabric: error %d", frame.size, status);
    released(frame, status);
    return;
  }
  frame.next = nullptr;
  *backlog_tail_ = &frame;
  backlog_tail_ = &frame.next;
  lane_.stalled(*this);
}

void Channel::retry() {
  if (held_) return;
  if (must_begin_) begin_connection();
  while (backlog_ && alive_) {
    fabric::Frame& frame = *backlog_;
    fabric::Frame* next = frame.next;
    int status = rail_.endpoint->send(peer_.address, frame);
    wake_peer();  // It has something to take now, or is asleep with its queue full of what we sent.
    if (status == EAGAIN) return;
    backlog_ = next;
    if (!backlog_) backlog_tail_ = &backlog_;
    if (status == 0) {
      ++frames_sent_;
    } else {
      released(frame, status);
    }
  }
  if (!send_orphans()) return;
  deaf = false;
  List<QueuePair, OnStalled> taken;
  stalled_.move_to(taken);
  while (!taken.empty()) taken.pop_front().room_again();
}

void Channel::drop(fabric::Frame& frame) {
  --frames_out_;
  rail_.frames.give(frame);
}

void Channel::released(fabric::Frame& frame, int error) {
  drop(frame);
  // The fabric is reliable: what it cannot deliver, it never will.
  if (!error || !alive_) return;
  log(LogLevel::debug, "the fabric lost a frame: error %d: the channel ends", error);
  lane_.lost(*this);
}

void Channel::wake_peer() {
  if (!peer_.link || !peer_.presence || rail_.endpoint->traits().has_wait_fd) return;
  // Pairs with the fence in Helper::sleep: either the sleeper sees what was sent, or we see it asleep.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  std::atomic<uint32_t>& asleep = peer_.presence->asleep;
  if (asleep.load(std::memory_order_relaxed) != 0 && asleep.exchange(0) != 0) peer_.link->ring_doorbell();
}

bool Channel::assemble(wire::Packet& packet) {
  if (packet.header.kind == wire::Kind::kDatagram) {
    if (!partial_) partial_ = std::make_unique<Partial>();
    partial_->packet = packet;
    partial_->packet.source = {};
    partial_->payload.assign(packet.payload.begin(), packet.payload.end());
    return false;
  }
  std::unique_ptr<Partial>& partial = partial_;
  bool fits = partial && !partial->payload.empty() && partial->packet.header.src_qpn == packet.header.src_qpn &&
              partial->packet.header.dst_qpn == packet.header.dst_qpn &&
              partial->payload.size() + packet.payload.size() == partial->packet.length;
  if (!fits) {
    ++rejected;
    return false;
  }
  partial->payload.insert(partial->payload.end(), packet.payload.begin(), packet.payload.end());
  packet = partial->packet;
  packet.payload = partial->payload;
  partial->packet.length = 0;  // It is taken: a second rest finds nothing to fit to.
  return true;
}

void Channel::attach(ConnectedQueuePair& qp) { members_.push_back(qp); }

void Channel::add_route(Route& route) { routes_.push_back(route); }

void Channel::die(bool crashed) {
  if (!alive_) return;
  alive_ = false;
  if (current_) {
    ListNode<Channel, OnDirty>::unlink();
    drop(*std::exchange(current_, nullptr));
  }
  while (backlog_) drop(*std::exchange(backlog_, backlog_->next));
  backlog_tail_ = &backlog_;
  List<QueuePair, OnStalled> left;
  stalled_.move_to(left);
  orphans_.clear();
  while (!routes_.empty()) routes_.pop_front().channel = nullptr;
  if (peer_.link) std::exchange(peer_.link, nullptr)->channel_gone();
  members_.for_each([&](ConnectedQueuePair& qp) { qp.peer_gone(crashed); });
  while (!left.empty())
    left.pop_front().room_again();  // Who is not bound to this channel looks for
                                    // another one.
}

void Channel::probe() {
  if (peer_.link) peer_.link->probe();
}

bool Channel::path_dead() { return peer_.link && peer_.link->unacknowledged(); }

}  // namespace vb
