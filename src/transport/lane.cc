// SPDX-License-Identifier: BSD-2-Clause
#include "transport/lane.h"

#include <sched.h>

#include <algorithm>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "fabric/loopback_endpoint.h"
#include "transport/datagram_queue_pair.h"
#include "transport/multicast.h"
#include "transport/window.h"
#include "transport/xrc_stand_in.h"
#include "wire/packet.h"

namespace vb {

namespace {
constexpr uint32_t kTimerPasses = 32;  ///< how often a polling thread looks at the clock
constexpr uint32_t kManyPasses = 64;   ///< so many beside a sleeping helper: the program spins
}  // namespace

Lane::Lane() {
  Rail& rail = add_rail(std::make_unique<fabric::LoopbackEndpoint>());
  uint64_t token = reserve_token();
  Channel::Peer self;
  self.token = token;
  loopback_ = &add_channel(rail, self, token);
}

Lane::~Lane() = default;

// --- the data path -----------------------------------------------------------------------------------------------

void Lane::kick(QueuePair& qp) {
  if (try_lock()) {
    qp.run();
    finish_kick(qp.busy());
    return unlock();
  }
  revisit(qp);
  if (try_lock()) {
    run_kicked();
    finish_kick();
    unlock();
  }
}

void Lane::revisit(QueuePair& qp) {
  if (qp.kicked.exchange(true)) return;
  QueuePair* head = kicked_.load(std::memory_order_relaxed);
  do {
    qp.next_kicked = head;
  } while (!kicked_.compare_exchange_weak(head, &qp));
}

/// `busy`: the queue pair has much under way. Its next packets share a frame, which the next pass sends: a frame of
/// their own for each is what bandwidth is lost by.
void Lane::finish_kick(bool busy) {
  fail_overrun();
  pass_gates();
  if (busy && !helper_sleeps.load(std::memory_order_relaxed)) return;
  flush_dirty();
  if (!helper_sleeps.load(std::memory_order_relaxed)) return;
  // Nobody else would look at the loopback, and no descriptor tells the helper of it.
  while (rails_[0]->endpoint->poll(*this) != 0) {
    pass_gates();
    settle_now();
  }
}

/// Whoever left work while the lock was held relies on this look after the release.
void Lane::unlock() {
  lock_.unlock();
  // Pairs with the exchange in kick(): either it finds the lock free, or we find what it left.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  while (kicked_.load() != nullptr && lock_.try_lock()) {
    run_kicked();
    finish_kick();
    lock_.unlock();
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
}

size_t Lane::progress() {
  count_poll();  // Before, and whether or not it gets the lock: the helper that has it makes way for who polls.
  if (!try_lock()) {
    lock_.give_way();
    return 0;
  }
  size_t happened = pass();
  after_program_pass();
  unlock();
  return happened;
}

/// While the helper sleeps deeply nobody would send what is owed after this call; and a program that spins makes its
/// peers ring for nothing, so the helper is told to leave the field.
void Lane::after_program_pass() {
  if (!helper_sleeps.load(std::memory_order_relaxed)) return;
  settle_now();
  finish_kick();
  if (++passes_beside_sleeper_ >= kManyPasses || !stalled_.empty()) rouse_helper();
}

void Lane::helper_goes_to_sleep() {
  passes_beside_sleeper_ = 0;
  helper_sleeps.store(true);
}

/// It counts as awake at once. The system may run it a time slice later, when the program has taken its core.
void Lane::rouse_helper() {
  if (helper_sleeps.exchange(false)) nudge_helper();
}

size_t Lane::pass() {
  if (closed()) return 0;
  settle();
  if (!late_.empty()) catch_up();
  size_t happened = 0;
  for (size_t i = 0; i < rails_.size(); ++i) happened += rails_[i]->endpoint->poll(*this);
  for (Source* source : sources_) happened += source->poll();
  if (persister_.anything_done()) happened += persister_.collect(*this);
  run_kicked();
  if (!stalled_.empty()) retry_stalled();
  fail_overrun();
  if (++passes_ % kTimerPasses == 0 && !(timers_.empty() && moderated_.empty())) expire_timers();
  pass_gates();
  flush_dirty();
  if (!lost_.empty()) bury();
  return happened;
}

void Lane::drain() {
  constexpr int kLimit = 10'000;  // a peer that sends for ever must not hold us
  for (int i = 0; i < kLimit && pass() != 0; ++i) {
  }
}

void Lane::pass_for_others(std::unique_lock<Lane>& guard) {
  drain();
  guard.unlock();
  sched_yield();
  guard.lock();
}

void Lane::settle() {
  while (!owing_.empty()) {
    ConnectedQueuePair& qp = owing_.pop_front();
    qp.responder.send_acknowledgement();
    if (static_cast<ListNode<ConnectedQueuePair, OnOwing>&>(qp).linked()) return;  // no room now
  }
}

/// Queue pairs whose wait is over go on, which may end the wait of others.
void Lane::open_gates() {
  for (bool any = true; any;) {
    any = false;
    List<QueuePair, OnGated> waiting;
    gated_.move_to(waiting);
    while (!waiting.empty()) {
      QueuePair& qp = waiting.pop_front();
      const bool goes = qp.may_pass();
      if (goes) qp.run();
      if (!goes) gated_.push_back(qp);
      any |= goes;
    }
  }
}

void Lane::catch_up() {
  List<DatagramQueuePair, OnLate> late;
  late_.move_to(late);
  while (!late.empty()) late.pop_front().catch_up();
}

void Lane::run_kicked() {
  // Who puts itself on the list now finds the lock free or is found in unlock().
  if (kicked_.load(std::memory_order_relaxed) == nullptr) return;
  QueuePair* qp = kicked_.exchange(nullptr);
  while (qp) {
    QueuePair* next = qp->next_kicked;
    qp->kicked.store(false);
    qp->run();
    qp = next;
  }
}

void Lane::flush_dirty() {
  while (!dirty_.empty()) dirty_.front().flush();
}

void Lane::stalled(Channel& channel) {
  rouse_helper();
  if (std::find(stalled_.begin(), stalled_.end(), &channel) == stalled_.end()) stalled_.push_back(&channel);
}

bool Lane::has_heard(const Channel& beside) const {
  return std::any_of(channels_.begin(), channels_.end(), [&](const auto& channel) {
    return channel && channel->alive() && channel->heard() && channel->beside(beside);
  });
}

void Lane::heard(const Channel& from) {
  for (auto& channel : channels_) {
    if (channel && channel->beside(from)) channel->let_go();
  }
}

void Lane::retry_stalled() {
  std::vector<Channel*> channels;
  channels.swap(stalled_);
  for (Channel* channel : channels) {
    channel->retry();
    if (channel->alive() && channel->stalled()) stalled(*channel);
  }
}

void Lane::expire_timers() {
  uint64_t now = clock_ns();
  expire_periods(now);
  while (!timers_.empty() && timers_.top().deadline <= now) {
    Timer timer = timers_.top();
    timers_.pop();
    QueuePair* qp = find(timer.qpn);
    if (qp && qp->timer_deadline == timer.deadline) qp->timer_expired();
  }
}

void Lane::expire_periods(uint64_t now_ns) {
  moderated_.for_each([now_ns](CompletionQueue& queue) {
    if (queue.event_deadline() > now_ns) return;
    queue.ListNode<CompletionQueue, OnModerated>::unlink();
    queue.period_over();
  });
}

void Lane::delay_event(CompletionQueue& queue) {
  moderated_.push_back(queue);
  rouse_helper();
}

uint64_t Lane::next_deadline() {
  uint64_t deadline = timers_.empty() ? UINT64_MAX : timers_.top().deadline;
  moderated_.for_each([&](CompletionQueue& queue) { deadline = std::min(deadline, queue.event_deadline()); });
  return deadline;
}

void Lane::tick(uint64_t now_ns) {
  expire_timers();
  outstanding_.for_each([&](QueuePair& qp) { qp.tick(now_ns); });
  flush_dirty();
}

// --- what the fabric reports -------------------------------------------------------------------------------------

void Lane::received(std::span<const unsigned char> frame) {
  wire::FrameHeader header;
  if (frame.size() < sizeof header) {
    ++rejected;
    return;
  }
  memcpy(&header, frame.data(), sizeof header);
  size_t index = header.token & 0xffff;
  Channel* channel = index < channels_.size() ? channels_[index].get() : nullptr;
  if (!channel || channel->token != header.token || !channel->alive()) {
    ++rejected;
    return;
  }
  channel->confirmed = true;
  if (!channel->in_sequence(header.sequence)) return;
  frame = frame.subspan(sizeof header);
  wire::Packet packet;
  while (!frame.empty()) {
    if (!wire::next_packet(frame, packet)) {
      static std::atomic<bool> told{false};
      log_once(told, LogLevel::warn, "a peer sends malformed packets: they are dropped and counted");
      ++channel->rejected;
      return;
    }
    if (packet.is_fragment() && !channel->assemble(packet)) continue;
    if (packet.header.dst_qpn == wire::kMulticastQpn) {
      if (channel == loopback_ && groups) groups->deliver(packet.header.msn, packet, true);
      continue;
    }
    QueuePair* qp = find(packet.header.dst_qpn);
    if (qp) {
      qp->receive(*channel, packet);
    } else if (stand_ins && stand_ins->receive(*channel, packet)) {
      continue;
    } else if (wire::is_request(packet.header.kind)) {
      refuse_not_connected(*channel, packet);
    } else if (packet.header.kind == wire::Kind::kQuiesce) {
      answer_quiesce(*channel, packet);
    }
  }
}

/// For a queue pair that is not there (any more): nothing of it touches anything.
void Lane::answer_quiesce(Channel& channel, const wire::Packet& packet) {
  channel.answer({wire::Kind::kQuiesced, 0, sizeof(wire::PacketHeader), packet.header.src_qpn, packet.header.dst_qpn,
                  packet.header.msn, 0, 0});
}

void Lane::released(fabric::Frame& frame, int error) { static_cast<Channel*>(frame.owner)->released(frame, error); }

void Lane::finished(fabric::Transfer& transfer, int error) {
  --transfers_;
  Responder::transfer_finished(transfer, error);
}

// --- queue pairs -------------------------------------------------------------------------------------------------

void Lane::open_slot(uint32_t slot) { slots_[slot] = std::make_unique<Slot>(); }

void Lane::add(QueuePair& qp) { slots_[qp.qpn >> kSlotBits]->members[qp.qpn % kSlotSize] = &qp; }

void Lane::remove(QueuePair& qp) {
  run_kicked();  // it may be on the list
  if (Slot* slot = slots_[qp.qpn >> kSlotBits].get()) slot->members[qp.qpn % kSlotSize] = nullptr;
  while (!qp.windows.empty()) unbind(qp.windows.front());
  qp.detach();
  bury();
}

void Lane::drained(QueuePair& qp) {
  if (!qp.drain_event_owed || !qp.drained()) return;
  qp.drain_event_owed = false;
  qp.config.listener->async_event(IBV_EVENT_SQ_DRAINED);
}

void Lane::start_timer(QueuePair& qp, uint64_t deadline_ns) {
  qp.timer_deadline = deadline_ns;
  timers_.push({deadline_ns, qp.qpn});
  rouse_helper();
}

// --- rails and channels ------------------------------------------------------------------------------------------

Rail& Lane::add_rail(std::unique_ptr<fabric::Endpoint> endpoint) {
  rails_.push_back(std::make_unique<Rail>(std::move(endpoint)));
  return *rails_.back();
}

void Lane::leave(Rail& rail) {
  rail.left = true;
  for (auto& channel : channels_) {
    if (channel && channel->alive() && channel->on(rail)) lost(*channel);
  }
  bury();
  rail.endpoint->abandon(*this);
  bury();
}

/// False: a channel is on it still, because queue pairs are on the channel.
bool Lane::give_up(const Rail& rail) {
  if (std::any_of(channels_.begin(), channels_.end(), [&](auto& each) { return each && each->on(rail); })) return false;
  memory.forget(*rail.endpoint);
  return true;
}

uint64_t Lane::reserve_token() {
  uint16_t index;
  if (free_tokens_.empty()) {
    index = static_cast<uint16_t>(channels_.size());
    channels_.emplace_back();
  } else {
    index = free_tokens_.back();
    free_tokens_.pop_back();
  }
  return (random_value<uint64_t>() & ~uint64_t{0xffff}) | index;
}

Channel& Lane::add_channel(Rail& rail, const Channel::Peer& peer, uint64_t token) {
  std::unique_ptr<Channel>& slot = channels_[token & 0xffff];
  slot = std::make_unique<Channel>(*this, rail, peer);
  slot->token = token;
  return *slot;
}

Channel* Lane::channel_of(const ProcessId& process, const std::string& path) {
  for (auto& channel : channels_) {
    bool usable = channel && channel.get() != loopback_ && channel->alive() && channel->confirmed;
    if (usable && channel->process() == process && (channel->path().empty() || channel->path() == path))
      return channel.get();
  }
  return nullptr;
}

/// Ends the channels that lost something, and deletes those that are dead and unused.
void Lane::bury() {
  if (burying_) return;  // A channel that ends may pass through here again.
  burying_ = true;
  while (!lost_.empty()) {  // Ending one may show that another has lost something.
    for (Channel* channel : std::exchange(lost_, {})) channel->fail();
  }
  burying_ = false;
  for (size_t i = 0; i < channels_.size(); ++i) {
    if (!channels_[i] || !channels_[i]->unused() || channels_[i]->frames_out() != 0) continue;
    std::erase(stalled_, channels_[i].get());
    channels_[i].reset();
    release_token(i);
  }
}

void Lane::device_gone(const std::vector<uint32_t>& slots) {
  for (uint32_t slot : slots) {
    if (!slots_[slot]) continue;
    for (QueuePair* qp : slots_[slot]->members) {
      if (!qp) continue;
      qp->fail(IBV_WC_WR_FLUSH_ERR);
      Channel* channel = qp->connected() ? qp->connected()->channel() : nullptr;
      if (channel && channel->alive() && !channel->path().empty()) lost(*channel);
    }
  }
  bury();
}

void Lane::cut_off(const void* object) {
  for (auto& slot : slots_) {
    if (!slot) continue;
    for (QueuePair* qp : slot->members) {
      if (qp && qp->uses(object)) qp->cut_off();
    }
  }
  if (stand_ins) stand_ins->cut_off(object);
}

void Lane::close() {
  settle();
  flush_dirty();
  closed_ = true;
  for (auto& channel : channels_) {
    if (channel) channel->die(false);
  }
  for (auto& rail : rails_) rail->endpoint->close();
}

}  // namespace vb
