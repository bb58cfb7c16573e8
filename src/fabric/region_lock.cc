// SPDX-License-Identifier: BSD-2-Clause
#include "fabric/region_lock.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <utility>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

namespace vb::fabric {

namespace {

constexpr size_t kPageSize = 4096;
constexpr unsigned char kKnownVersion = 4;  // of the region's layout: libfabric 1.14 to 1.18
constexpr size_t kLockOffset = 24;
constexpr int kLooks = 2000;
constexpr uint64_t kStuck = 200 * kMillisecond;  // a holder that lives may have lost its core for a while

}  // namespace

RegionLock::RegionLock(const std::string& endpoint) {
  Fd file(open(("/dev/shm/" + endpoint).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!file || lseek(file.get(), 0, SEEK_END) < static_cast<off_t>(kPageSize)) return;
  void* page = mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (page == MAP_FAILED) return;
  page_ = page;
  if (*static_cast<unsigned char*>(page) != kKnownVersion) munmap(std::exchange(page_, nullptr), kPageSize);
}

RegionLock::~RegionLock() {
  if (page_) munmap(page_, kPageSize);
}

RegionLock::RegionLock(RegionLock&& other) noexcept : page_(std::exchange(other.page_, nullptr)) {}

RegionLock& RegionLock::operator=(RegionLock&& other) noexcept {
  std::swap(page_, other.page_);
  return *this;
}

pthread_spinlock_t* RegionLock::lock() const {
  return reinterpret_cast<pthread_spinlock_t*>(static_cast<unsigned char*>(page_) + kLockOffset);
}

bool RegionLock::passable() const {
  if (!page_) return true;
  for (int i = 0; i < kLooks; ++i) {
    // 1 is what an unlocked glibc spin lock holds on x86: a look takes nothing away from others.
    if (__atomic_load_n(lock(), __ATOMIC_RELAXED) == 1) return true;
    __builtin_ia32_pause();
  }
  return false;
}

void RegionLock::rescue() const {
  if (!page_) return;
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
