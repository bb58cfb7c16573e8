// SPDX-License-Identifier: BSD-2-Clause
#include "transport/helper.h"

#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/clock.h"
#include "base/fault_guard.h"
#include "fabric/library.h"

namespace vb {

namespace {

constexpr uint32_t kPollsOfEventConsumer = 256;
constexpr int kLongestDrain = 10'000;               ///< passes: a peer that sends for ever must not hold us
constexpr uint64_t kLinger = 50'000;                ///< ns: who sends data has some more within that time
constexpr int kMostLingering = 1'000;               ///< passes: connections want to be heard
constexpr int kStandByMs = 1;                       ///< how soon a program that stops polling is noticed
constexpr uint64_t kTick = 20 * kMillisecond;       ///< retry budgets are watched this often
constexpr uint64_t kLatestTick = 5 * kTick;         ///< when a program that polls leaves no gap
constexpr uint64_t kLazyTick = 250 * kMillisecond;  ///< when nothing is outstanding

/// A short slice makes the scheduler run us soon after a wake, even on a core where the program spins. No privilege
/// needed; kernels before 6.12 ignore it.
void ask_for_short_slice() {
#ifdef SYS_sched_setattr
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
  } attributes{};
  attributes.size = sizeof attributes;
  attributes.runtime = 100'000;  // ns
  syscall(SYS_sched_setattr, 0, &attributes, 0);
#endif
}

}  // namespace

Result<void> Helper::start() {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(&thread_, nullptr, main, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error) return Error{error};
  pthread_setname_np(thread_, "verbatim");
  return {};
}

void* Helper::main(void* self) {
  static_cast<Helper*>(self)->run();
  return nullptr;
}

void Helper::run() {
  ask_for_short_slice();
  fault_guard::adopt_thread();
  placement_.helper_is_here();
  while (!lane_.closed()) {
    const bool serves = !somebody_polls();
    lane_.helper_serves.store(serves, std::memory_order_relaxed);
    serves ? serve() : stand_by();
  }
}

void Helper::load_fabric() {
  if (!fabric_wanted_.exchange(true)) nudge();
}

/// Sleeps. Loading the fabric takes some hundred milliseconds: here, where nobody waits for it with a lock.
int Helper::wait(Poller::On what, int timeout_ms) {
  const int count = router_.poller().wait(what, timeout_ms);
  if (!fabric_loaded_ && fabric_wanted_.load()) {
    fault_guard::stop_telling();
    static_cast<void>(static_cast<bool>(fabric::library()));
    fabric_loaded_ = true;
  }
  return count;
}

/// Also who has been at it since before the last look: one pass may move megabytes.
bool Helper::somebody_polls() {
  const bool polls = polled_since_last_look() || (!lane_.helper_serves.load(std::memory_order_relaxed) && lane_.busy());
  seen_polls_ = lane_.polls.load(std::memory_order_relaxed);
  return !wanted_.exchange(false) && polls;
}

bool Helper::polled_since_last_look() const {
  const uint32_t moved = lane_.polls.load(std::memory_order_relaxed) - seen_polls_;
  // A consumer of events polls a few times for each event, and relies on us in between.
  return moved > (lane_.armed.load(std::memory_order_relaxed) > 0 ? kPollsOfEventConsumer : 0);
}

void Helper::take_over() {
  if (lane_.helper_sleeps.load(std::memory_order_relaxed)) return;
  if (!wanted_.exchange(true)) nudge();
}

void Helper::handle_control(int count) {
  Poller& poller = router_.poller();
  if (lane_.closed()) return;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = poller.events()[i];
    if (event.data.ptr) {
      static_cast<Pollable*>(event.data.ptr)->ready(event.events);
    } else {
      poller.clear_nudge();
    }
  }
  poller.handled();
}

void Helper::maintain() {
  uint64_t now = clock_ns();
  if (now - last_tick_ns_ < kTick && lane_.next_deadline() > now) return;
  last_tick_ns_ = now;
  lane_.tick(now);
  router_.tick(now);
}

/// The program polls: the fabric is its business, connections are ours. So are timers, if it polls seldom: then the
/// lane is free. What a connection says is waited for, since nobody else would hear it; a tick is not, but now and
/// then: on a core that we share with the program it is likely to have been interrupted with the lane in its hands, and
/// who waits for a PoliteLock keeps others out, until we run again a time slice later.
void Helper::stand_by() {
  int count = wait(Poller::On::kControl, kStandByMs);
  fault_guard::tell_tick();
  lane_.memory.next_epoch();
  bool due = count != 0 || clock_ns() - last_tick_ns_ >= kLatestTick;
  auto guard = due ? lane_.hold() : std::unique_lock<Lane>(lane_, std::try_to_lock);
  if (!guard) return;
  handle_control(count);
  maintain();
}

/// Passes until nothing happens any more. False: the program polls again, so the fabric is its business; on a core that
/// we share with it, and with all the work on our side, both would get half of it.
bool Helper::drain() {
  auto guard = lane_.hold();
  uint64_t linger_until = 0;
  for (int i = 0; i < kLongestDrain; ++i) {
    if (lane_.pass() != 0) {
      linger_until = 0;
    } else if (!lane_.transfers_under_way() || i >= kMostLingering || !linger(guard, linger_until)) {
      break;
    }
    if (polled_since_last_look()) return false;
  }
  maintain();
  return true;
}

/// Data is coming, but nothing more of it now. Who sleeps between its pieces is woken for each, at the sender's cost.
bool Helper::linger(std::unique_lock<Lane>& guard, uint64_t& until) {
  const uint64_t now = clock_ns();
  if (until == 0) until = now + kLinger;
  if (now >= until) return false;
  guard.unlock();
  sched_yield();
  guard.lock();
  return true;
}

void Helper::serve() {
  fault_guard::stop_telling();
  if (!drain()) return;
  if (sleep_deeply() != Nap::kStalled) return;
  // The fabric takes nothing now, and no descriptor tells when it will.
  int count = wait(Poller::On::kControl, kStandByMs);
  auto guard = lane_.hold();
  handle_control(count);
}

int Helper::timeout_ms(uint64_t now_ns) const {
  if (!fabric_loaded_ && !fabric_wanted_.load()) return -1;  // no queue pair: there is nothing to look after
  uint64_t until = (lane_.outstanding() || router_.retrying()) ? kTick : kLazyTick;
  uint64_t deadline = lane_.next_deadline();
  if (deadline != UINT64_MAX) until = std::min(until, deadline > now_ns ? deadline - now_ns : 0);
  return static_cast<int>((until + kMillisecond - 1) / kMillisecond);
}

/// Sleeps until the fabric, a doorbell, a connection or a timer wakes it, unless there is something to do.
Helper::Nap Helper::sleep_deeply() {
  int timeout;
  {
    auto guard = lane_.hold();
    router_.presence().page().asleep.store(1);
    lane_.helper_goes_to_sleep();
    // Pairs with the fence in Channel::wake_peer.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    bool busy = lane_.pass() != 0 || lane_.stalled();
    for (auto& rail : lane_.rails()) busy |= !rail->endpoint->may_sleep();
    lane_.settle_now();
    if (busy) {
      router_.presence().page().asleep.store(0);
      lane_.helper_sleeps.store(false);
      return lane_.stalled() ? Nap::kStalled : Nap::kBusy;
    }
    timeout = timeout_ms(clock_ns());
  }
  int count = wait(Poller::On::kEverything, timeout);
  lane_.memory.next_epoch();
  auto guard = lane_.hold();
  lane_.helper_sleeps.store(false);
  router_.presence().page().asleep.store(0);
  handle_control(count);
  return Nap::kSlept;
}

}  // namespace vb
