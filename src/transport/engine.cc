// SPDX-License-Identifier: BSD-2-Clause
#include "transport/engine.h"

#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <mutex>

#include "base/clock.h"
#include "base/fork.h"
#include "base/log.h"
#include "base/spinlock.h"

namespace vb {

constinit std::atomic<Engine*> current_engine{nullptr};

namespace {

/// How long exit() waits for peers that do not listen.
constexpr uint64_t kParting = 500 * kMillisecond;

std::atomic<bool> started{false};

// Plain locks: a child must be able to forget that somebody held them.
SpinLock start_lock;

void forget() {
  current_engine.store(nullptr);
  started.store(false);
  new (&start_lock) SpinLock;
}

/// Tells the peers, and removes what the fabric keeps outside the process. Not where a signal handler has called exit()
/// in the middle of a call of ours: what we hold then is half changed, and peers see the end of the process anyway.
void at_exit() {
  if (!started.load() || locks_held != 0) return;
  Engine& self = engine();
  auto guard = self.lane.hold();
  self.lane.drain();
  self.lane.settle_now();
  self.router.close();
  // What was sent last must not be lost with the connection: the peers take it, and then hang up.
  for (uint64_t give_up = clock_ns() + kParting; self.router.parting() && clock_ns() < give_up;) {
    self.lane.drain();
    self.lane.settle_now();
    guard.unlock();
    sched_yield();
    guard.lock();
  }
  self.lane.close();
}

void nudge_helper() { engine().helper.nudge(); }

}  // namespace

Engine& make_engine() {
  std::lock_guard guard(start_lock);
  Engine* self = current_engine.load();
  if (!self) {
    self = new Engine;
    self->lane.nudge_helper = nudge_helper;
    current_engine.store(self, std::memory_order_release);
  }
  return *self;
}

Result<void> start_helper() {
  Engine& self = engine();
  if (started.load(std::memory_order_acquire)) return {};
  std::lock_guard guard(start_lock);
  if (started.load()) return {};
  if (auto opened = self.router.open(); !opened) return opened;
  if (auto running = self.helper.start(); !running) return running;
  static std::atomic<bool> registered{false};
  if (!registered.exchange(true)) {
    on_fork(forget);
    atexit(at_exit);
  }
  started.store(true, std::memory_order_release);
  return {};
}

Result<void> start_engine() {
  if (auto running = start_helper(); !running) return running;
  engine().helper.load_fabric();
  return {};
}

bool engine_started() { return started.load(std::memory_order_acquire); }

}  // namespace vb
