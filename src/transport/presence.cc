// SPDX-License-Identifier: BSD-2-Clause
#include "transport/presence.h"

#include <sys/mman.h>

#include <cerrno>

#include "base/log.h"
#include "base/random.h"
#include "base/sealed_file.h"

namespace vb {

namespace {
constexpr size_t kPageSize = 4096;

PresencePage* map(int fd) {
  const int flags = fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
  void* page = mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, flags, fd, 0);
  return page == MAP_FAILED ? nullptr : static_cast<PresencePage*>(page);
}
}  // namespace

/// Where no such file can be made, there are no peers to share it with: the page is for this process alone.
Result<void> Presence::open() {
  if (auto file = make_sealed_file("verbatim-presence", kPageSize)) fd_ = std::move(*file);
  page_ = map(fd_.get());
  if (!page_) return Error{errno};
  page_->secret = random_value<uint64_t>();
  page_->proof = random_value<uint64_t>();
  return {};
}

PresencePage* map_presence(int pid, int fd, uint64_t secret) {
  Fd file = open_sealed_file(pid, fd, kPageSize);
  if (!file) {
    log(LogLevel::debug, "descriptor %d of process %d is not a presence page: error %d", fd, pid, errno);
    return nullptr;
  }
  PresencePage* page = map(file.get());
  if (page && page->secret != secret) {
    log(LogLevel::debug, "descriptor %d of process %d is another process's presence page", fd, pid);
    unmap_presence(page);
    return nullptr;
  }
  return page;
}

void unmap_presence(PresencePage* page) { munmap(page, kPageSize); }

}  // namespace vb
