// SPDX-License-Identifier: BSD-2-Clause
#include "transport/presence.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cstdio>

#include "base/log.h"
#include "base/random.h"

namespace vb {

namespace {
constexpr size_t kPageSize = 4096;

PresencePage* map(int fd) {
  void* page = mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return page == MAP_FAILED ? nullptr : static_cast<PresencePage*>(page);
}
}  // namespace

Result<void> Presence::open() {
  Fd fd(memfd_create("verbatim-presence", MFD_CLOEXEC));
  if (!fd || ftruncate(fd.get(), kPageSize) != 0) return Error{errno};
  page_ = map(fd.get());
  if (!page_) return Error{errno};
  page_->secret = random_value<uint64_t>();
  page_->proof = random_value<uint64_t>();
  fd_ = std::move(fd);
  return {};
}

PresencePage* map_presence(int pid, int fd, uint64_t secret) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
  Fd file(::open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK));
  // The size is checked, so that a peer that names another file cannot make an access to the page fault.
  if (!file || lseek(file.get(), 0, SEEK_END) != static_cast<off_t>(kPageSize)) {
    log(LogLevel::debug, "%s is not a presence page: error %d", path, errno);
    return nullptr;
  }
  PresencePage* page = map(file.get());
  if (page && page->secret != secret) {
    log(LogLevel::debug, "%s is another process's presence page", path);
    unmap_presence(page);
    return nullptr;
  }
  return page;
}

void unmap_presence(PresencePage* page) { munmap(page, kPageSize); }

}  // namespace vb
