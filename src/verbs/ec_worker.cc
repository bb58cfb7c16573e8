// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/ec_worker.h"

#include <signal.h>

#include <new>

namespace vb {

namespace {

bool calculate_now(const EcWork& work) {
  try {
    return calculate(work);
  } catch (const std::bad_alloc&) {
    return false;
  }
}

}  // namespace

Result<void> EcWorker::submit(std::unique_ptr<EcWork> work, EcCompletion completion) {
  Jobs job;
  job.push_back({std::move(work), completion});
  std::lock_guard guard(mutex_);
  if (in_flight_ >= max_in_flight_) return Error{EOVERFLOW};
  if (!running_ && !start()) return Error{EAGAIN};
  ++in_flight_;
  waiting_.splice(waiting_.end(), job);
  changed_.notify_one();
  return {};
}

/// The program's signals are none of this thread's business.
bool EcWorker::start() {
  auto self = std::make_unique<std::shared_ptr<EcWorker>>(shared_from_this());
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  auto main = [](void* argument) -> void* {
    const std::unique_ptr<std::shared_ptr<EcWorker>> worker(static_cast<std::shared_ptr<EcWorker>*>(argument));
    (*worker)->run();
    return nullptr;
  };
  running_ = pthread_create(&thread_, nullptr, main, self.get()) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!running_) return false;
  static_cast<void>(self.release());
  pthread_setname_np(thread_, "verbatim-ec");
  return true;
}

void EcWorker::run() {
  for (;;) {
    Jobs job;
    {
      std::unique_lock guard(mutex_);
      changed_.wait(guard, [&] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      job.splice(job.begin(), waiting_, waiting_.begin());
    }
    job.front().succeeded = calculate_now(*job.front().work);
    job.front().work.reset();
    finish(job);
  }
}

/// Its place is free before the program is told: a completion may submit the next.
void EcWorker::finish(Jobs& job) {
  {
    std::lock_guard guard(mutex_);
    if (polling_) {
      done_.splice(done_.end(), job);
      return;
    }
    --in_flight_;
  }
  const auto& [done, who] = job.front().completion;
  if (done) done(who, job.front().succeeded);
}

int EcWorker::poll(int count) {
  int polled = 0;
  for (; polled < count; ++polled) {
    Jobs job;
    {
      std::lock_guard guard(mutex_);
      if (done_.empty()) break;
      job.splice(job.begin(), done_, done_.begin());
      --in_flight_;
    }
    const auto& [done, who] = job.front().completion;
    if (done) done(who, job.front().succeeded);
  }
  return polled;
}

void EcWorker::stop() {
  {
    std::lock_guard guard(mutex_);
    stopping_ = true;
    changed_.notify_one();
    if (!running_) return;
  }
  if (pthread_equal(thread_, pthread_self())) {
    pthread_detach(thread_);
  } else {
    pthread_join(thread_, nullptr);
  }
}

}  // namespace vb
