// SPDX-License-Identifier: BSD-2-Clause
#include "fabric/shared_region.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "base/fd.h"

namespace vb::fabric {

namespace {

constexpr size_t kHeader = 128;
constexpr unsigned char kKnownVersion =
    4;  // of the region's layout: libfabric 1.17 (in 1.18 the queues are elsewhere, which tells)
constexpr size_t kOwnerAt = 4;
constexpr size_t kLockAt = 24;
constexpr size_t kCommandsAt = 64;  // where the header says at which offset the queue lies
constexpr size_t kResponsesAt = 72;
constexpr int kLooks = 2000;

}  // namespace

SharedRegion::SharedRegion(const std::string& endpoint) {
  Fd file(open(("/dev/shm/" + endpoint).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return;
  off_t size = lseek(file.get(), 0, SEEK_END);
  if (size < static_cast<off_t>(kHeader)) return;
  void* base = mmap(nullptr, static_cast<size_t>(size), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (base == MAP_FAILED) return;
  view_ = std::make_unique<View>(static_cast<unsigned char*>(base), static_cast<size_t>(size));
  if (view_->known()) {
    view_->lock.emplace(*reinterpret_cast<pthread_spinlock_t*>(view_->base + kLockAt), view_->owner());
  } else {
    view_.reset();
  }
}

SharedRegion::View::View(unsigned char* region, size_t length)
    : base(region), size(length), commands(queue(kCommandsAt)), responses(queue(kResponsesAt)) {}

SharedRegion::View::~View() {
  lock.reset();  // before what it lies in
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

pid_t SharedRegion::View::owner() const {
  int32_t process;
  memcpy(&process, base + kOwnerAt, sizeof process);
  return process;
}

bool SharedRegion::passable() const {
  if (!view_) return true;
  const SharedLock& lock = *view_->lock;
  lock.prefetch();  // Who looks will take it: the line comes at once in a state that lets the lock be written.
  for (int i = 0; i < kLooks; ++i) {
    if (lock.is_free()) return true;
    __builtin_ia32_pause();
  }
  return false;
}

void SharedRegion::rescue() const {
  if (view_) view_->lock->suspect();
}

}  // namespace vb::fabric
