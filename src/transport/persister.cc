// SPDX-License-Identifier: BSD-2-Clause
#include "transport/persister.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

namespace vb {

namespace {

int write_back_now(void* at, uint64_t size) {
  static const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  auto start = reinterpret_cast<uintptr_t>(at);
  uintptr_t begin = start & ~(page - 1);
  return msync(reinterpret_cast<void*>(begin), start + size - begin, MS_SYNC) == 0 ? 0 : errno;
}

}  // namespace

Result<void> Persister::write_back(void* at, uint64_t size, fabric::Transfer& transfer, void (*wake)()) {
  std::lock_guard guard(mutex_);
  if (!running_ && !start()) return Error{EAGAIN};
  waiting_.push_back({at, size, &transfer, wake, 0});
  work_.notify_one();
  return {};
}

/// The program's signals are none of this thread's business.
bool Persister::start() {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  running_ = pthread_create(&thread, nullptr, main, this) == 0;
  if (running_) pthread_detach(thread);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return running_;
}

void* Persister::main(void* self) {
  static_cast<Persister*>(self)->run();
  return nullptr;
}

void Persister::run() {
  for (;;) {
    std::unique_lock guard(mutex_);
    work_.wait(guard, [&] { return !waiting_.empty(); });
    Job job = waiting_.front();
    waiting_.pop_front();
    guard.unlock();
    job.error = write_back_now(job.at, job.size);
    guard.lock();
    done_.push_back(job);
    ++done_count_;
    guard.unlock();
    if (job.wake) job.wake();
  }
}

size_t Persister::collect(fabric::Sink& sink) {
  std::deque<Job> done;
  {
    std::lock_guard guard(mutex_);
    done.swap(done_);
    done_count_ = 0;
  }
  for (const Job& job : done) sink.finished(*job.transfer, job.error);
  return done.size();
}

}  // namespace vb
