// SPDX-License-Identifier: BSD-2-Clause
// SO_KEEPALIVE: an idle connection asks whether its path still leads anywhere. tcp(7), rsocket(7).
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "rsocket/stream.h"

namespace vb::rsocket {

/// The timer is watched like everything else that brings news: whoever waits for the socket is woken by it.
Result<void> Stream::set_keep_alive() {
  if (!options_.keep_alive && !keep_timer_) return {};
  if (!keep_timer_) {
    keep_timer_ = Fd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!keep_timer_) return Error{errno};
    if (auto watched = watch(keep_timer_.get()); !watched) return watched;
  }
  keep_period_ns_ = options_.keep_alive ? static_cast<uint64_t>(options_.keep_idle) * kSecond : 0;
  keep_due_ns_ = clock_ns() + keep_period_ns_;
  itimerspec period{};
  period.it_value.tv_sec = period.it_interval.tv_sec = options_.keep_alive ? options_.keep_idle : 0;
  return timerfd_settime(keep_timer_.get(), 0, &period, nullptr) == 0 ? Result<void>() : Error{errno};
}

/// What is under way asks by itself, and so did what came since the last look.
void Stream::keep_alive() {
  if (keep_period_ns_ == 0 || clock_ns() < keep_due_ns_) return;
  uint64_t ticks;
  if (::read(keep_timer_.get(), &ticks, sizeof ticks) != sizeof ticks) return;  // in a moment
  keep_due_ns_ += ticks * keep_period_ns_;  // never behind the timer's next: who waits would be woken for nothing
  if (state_ != State::kConnected || !link_) return;
  if (link_->news() == keep_news_) link_->probe();
  keep_news_ = link_->news();
}

}  // namespace vb::rsocket
