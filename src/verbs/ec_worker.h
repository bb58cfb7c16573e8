// SPDX-License-Identifier: BSD-2-Clause
// The thread of a calculator of erasure codes: makes the calculations that nobody waits for.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>

#include "base/result.h"
#include "verbs/ec_work.h"

namespace vb {

/// Who is told. Called with no lock held.
struct EcCompletion {
  void (*done)(void* who, bool succeeded) = nullptr;
  void* who = nullptr;
};

/// The calculations of one calculator, in order. Shared by its thread, which ends when it is told to stop.
class EcWorker : public std::enable_shared_from_this<EcWorker> {
 public:
  EcWorker(uint32_t max_in_flight, bool polling) : max_in_flight_(max_in_flight), polling_(polling) {}

  Result<void> submit(std::unique_ptr<EcWork> work, EcCompletion completion);
  int poll(int count);
  /// Waits for what was submitted, unless this is the thread itself (a completion that frees its calculator).
  void stop();

 private:
  struct Job {
    std::unique_ptr<EcWork> work;
    EcCompletion completion;
    bool succeeded = false;
  };
  using Jobs = std::list<Job>;  ///< a job moves from list to list, and nothing can fail then
  bool start();
  void run();
  void finish(Jobs& job);

  const uint32_t max_in_flight_;
  const bool polling_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Jobs waiting_, done_;
  uint32_t in_flight_ = 0;
  bool running_ = false, stopping_ = false;
  pthread_t thread_{};
};

}  // namespace vb
