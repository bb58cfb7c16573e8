// SPDX-License-Identifier: BSD-2-Clause
#include "fabric/shared_region.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

namespace vb::fabric {

namespace {

constexpr size_t kHeader = 128;
constexpr unsigned char kKnownVersion = 4;  // of the region's layout: libfabric 1.14 to 1.18
constexpr size_t kLockAt = 24;
constexpr size_t kCommandsAt = 64;  // where the header says at which offset the queue lies
constexpr size_t kResponsesAt = 72;
constexpr int kLooks = 2000;
constexpr uint64_t kStuck = 200 * kMillisecond;  // a holder that lives may have lost its core for a while

}  // namespace

SharedRegion::SharedRegion(const std::string& endpoint) {
  Fd file(open(("/dev/shm/" + endpoint).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return;
  off_t size = lseek(file.get(), 0, SEEK_END);
  if (size < static_cast<off_t>(kHeader)) return;
  void* base = mmap(nullptr, static_cast<size_t>(size), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (base == MAP_FAILED) return;
  base_ = static_cast<unsigned char*>(base);
  size_ = static_cast<size_t>(size);
  commands_ = queue(kCommandsAt);
  responses_ = queue(kResponsesAt);
  if (*base_ != kKnownVersion || !commands_ || !responses_) forget();
}

SharedRegion::~SharedRegion() { forget(); }

SharedRegion::SharedRegion(SharedRegion&& other) noexcept { *this = std::move(other); }

SharedRegion& SharedRegion::operator=(SharedRegion&& other) noexcept {
  std::swap(base_, other.base_);
  std::swap(size_, other.size_);
  std::swap(commands_, other.commands_);
  std::swap(responses_, other.responses_);
  return *this;
}

void SharedRegion::forget() {
  if (base_) munmap(std::exchange(base_, nullptr), size_);
}

/// nullptr: what the header says is not a queue.
const SharedRegion::Queue* SharedRegion::queue(size_t offset_at) const {
  uint64_t offset;
  memcpy(&offset, base_ + offset_at, sizeof offset);
  if (offset % alignof(Queue) != 0 || offset < kHeader || offset > size_ - sizeof(Queue)) return nullptr;
  const auto* queue = reinterpret_cast<const Queue*>(base_ + offset);
  return queue->size != 0 && queue->mask == queue->size - 1 ? queue : nullptr;
}

pthread_spinlock_t* SharedRegion::lock() const { return reinterpret_cast<pthread_spinlock_t*>(base_ + kLockAt); }

bool SharedRegion::passable() const {
  if (!known()) return true;
  // Who looks will take it: the line comes at once in a state that lets the lock be written.
  __asm__ volatile("prefetchw %0" : : "m"(*lock()));
  for (int i = 0; i < kLooks; ++i) {
    // 1 is what an unlocked glibc spin lock holds on x86: a look takes nothing away from others.
    if (__atomic_load_n(lock(), __ATOMIC_RELAXED) == 1) return true;
    __builtin_ia32_pause();
  }
  return false;
}

void SharedRegion::rescue() const {
  if (!known()) return;
  uint64_t give_up = clock_ns() + kStuck;
  while (clock_ns() < give_up) {
    if (pthread_spin_trylock(lock()) == 0) {
      pthread_spin_unlock(lock());
      return;
    }
    sched_yield();
  }
  log(LogLevel::info, "a process was killed inside a shared memory region: its lock is freed");
  pthread_spin_unlock(lock());
}

}  // namespace vb::fabric
