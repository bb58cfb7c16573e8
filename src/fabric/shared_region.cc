// SPDX-License-Identifier: BSD-2-Clause
#include "fabric/shared_region.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/never_destroyed.h"
#include "fabric/process_end.h"

namespace vb::fabric {

namespace {

constexpr size_t kHeader = 128;
constexpr unsigned char kKnownVersion = 4;  // of the region's layout: libfabric 1.14 to 1.18
constexpr size_t kOwnerAt = 4;
constexpr size_t kLockAt = 24;
constexpr size_t kCommandsAt = 64;  // where the header says at which offset the queue lies
constexpr size_t kResponsesAt = 72;
constexpr int kLooks = 2000;
constexpr uint64_t kStuck = 200 * kMillisecond;  // a holder that lives may have lost its core for a while

std::mutex views_mutex;

}  // namespace

SharedRegion::SharedRegion(const std::string& endpoint) {
  Fd file(open(("/dev/shm/" + endpoint).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return;
  off_t size = lseek(file.get(), 0, SEEK_END);
  if (size < static_cast<off_t>(kHeader)) return;
  void* base = mmap(nullptr, static_cast<size_t>(size), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (base == MAP_FAILED) return;
  view_ = std::make_unique<View>(static_cast<unsigned char*>(base), static_cast<size_t>(size));
  if (!view_->known()) view_.reset();
}

List<SharedRegion::View>& SharedRegion::views() {
  static NeverDestroyed<List<View>> list;
  return *list;
}

SharedRegion::View::View(unsigned char* region, size_t length)
    : base(region), size(length), commands(queue(kCommandsAt)), responses(queue(kResponsesAt)) {
  std::lock_guard guard(views_mutex);
  views().push_back(*this);
}

SharedRegion::View::~View() {
  std::lock_guard guard(views_mutex);
  unlink();
  munmap(base, size);
}

bool SharedRegion::View::known() const { return *base == kKnownVersion && commands && responses; }

/// nullptr: what the header says is not a queue.
const SharedRegion::Queue* SharedRegion::View::queue(size_t offset_at) const {
  uint64_t offset;
  memcpy(&offset, base + offset_at, sizeof offset);
  if (offset % alignof(Queue) != 0 || offset < kHeader || offset > size - sizeof(Queue)) return nullptr;
  const auto* found = reinterpret_cast<const Queue*>(base + offset);
  return found->size != 0 && found->mask == found->size - 1 ? found : nullptr;
}

pthread_spinlock_t* SharedRegion::View::lock() const { return reinterpret_cast<pthread_spinlock_t*>(base + kLockAt); }

pid_t SharedRegion::View::owner() const {
  int32_t process;
  memcpy(&process, base + kOwnerAt, sizeof process);
  return process;
}

bool SharedRegion::passable() const {
  if (!view_) return true;
  // Who looks will take it: the line comes at once in a state that lets the lock be written.
  __asm__ volatile("prefetchw %0" : : "m"(*view_->lock()));
  for (int i = 0; i < kLooks; ++i) {
    // 1 is what an unlocked glibc spin lock holds on x86: a look takes nothing away from others.
    if (__atomic_load_n(view_->lock(), __ATOMIC_RELAXED) == 1) return true;
    __builtin_ia32_pause();
  }
  return false;
}

void SharedRegion::rescue() const {
  if (view_) view_->rescue();
}

void SharedRegion::View::rescue() const {
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

void free_locks_of_the_dead() {
  using View = SharedRegion::View;
  std::lock_guard guard(views_mutex);
  bool any = false;
  SharedRegion::views().for_each([&any](const View& view) {
    if (!view.known() || !has_ended(view.owner())) return;
    any = true;
    view.rescue();
  });
  if (!any) return;
  SharedRegion::views().for_each([](const View& view) {
    if (view.known() && view.owner() == getpid()) view.rescue();
  });
}

}  // namespace vb::fabric
