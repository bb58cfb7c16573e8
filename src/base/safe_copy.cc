// SPDX-License-Identifier: BSD-2-Clause
#include "base/safe_copy.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>

namespace vb {

namespace {

#ifndef MADV_POPULATE_READ
constexpr int MADV_POPULATE_READ = 22;
constexpr int MADV_POPULATE_WRITE = 23;
#endif

/// The kernel copies into a pipe and out of it, and checks both ends. For sandboxes without process_vm_writev.
class Pipe {
 public:
  Pipe() {
    if (pipe2(ends_, O_CLOEXEC) != 0) ends_[0] = ends_[1] = -1;
  }
  ~Pipe() {
    close(ends_[0]);
    close(ends_[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  bool copy(unsigned char* to, const unsigned char* from, size_t size) {
    constexpr size_t kChunk = 4096;  // always fits
    for (size_t part; size > 0; to += part, from += part, size -= part) {
      part = std::min(size, kChunk);
      ssize_t in = write(ends_[1], from, part);
      if (in <= 0) return false;
      part = static_cast<size_t>(in);
      if (read(ends_[0], to, part) == in) continue;
      unsigned char rest[kChunk];  // what was not taken must not come out of the next copy
      while (read(ends_[0], rest, part) < 0 && errno == EINTR) {
      }
      return false;
    }
    return true;
  }

 private:
  int ends_[2];
};

bool pipe_copy(void* to, const void* from, size_t size) {
  // A pipe of its own for each copy: slow, but without state that threads or a fork could share.
  return Pipe().copy(static_cast<unsigned char*>(to), static_cast<const unsigned char*>(from), size);
}

struct Pages {
  uintptr_t begin, size;
};

Pages pages_of(const void* at, size_t size) {
  static const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  auto start = reinterpret_cast<uintptr_t>(at);
  uintptr_t begin = start & ~(page - 1);
  uintptr_t end = (start + size + page - 1) & ~(page - 1);
  return {begin, end - begin};
}

/// For kernels without MADV_POPULATE_*: what the list of mappings says.
bool permitted(const void* at, size_t size, bool writable) {
  auto next = reinterpret_cast<uintptr_t>(at), end = next + size;
  std::unique_ptr<FILE, int (*)(FILE*)> maps(fopen("/proc/self/maps", "re"), fclose);
  if (!maps) return is_mapped(at, size);
  char line[512];
  while (next < end && fgets(line, sizeof line, maps.get())) {
    unsigned long long from, to;
    char access[5];
    if (sscanf(line, "%llx-%llx %4s", &from, &to, access) != 3 || to <= next) continue;
    if (from > next || access[0] != 'r' || (writable && access[1] != 'w')) return false;
    next = to;
  }
  return next >= end;
}

/// The kernel copies, and finds what is missing. One system call, two where the system forbids process_vm_writev.
bool kernel_copy(void* to, const void* from, size_t size) {
  constexpr size_t kMost = size_t{1} << 30;  // one call moves less than 2 GiB
  static std::atomic<bool> forbidden{false};
  for (size_t at = 0; at < size && !forbidden.load(std::memory_order_relaxed);) {
    size_t part = std::min(size - at, kMost);
    iovec source{const_cast<char*>(static_cast<const char*>(from)) + at, part};
    iovec target{static_cast<char*>(to) + at, part};
    ssize_t done = process_vm_writev(getpid(), &source, 1, &target, 1, 0);
    if (done == static_cast<ssize_t>(part)) {
      at += part;
      if (at == size) return true;
    } else if (done >= 0 || (errno != EPERM && errno != ENOSYS && errno != EACCES)) {
      return false;
    } else {
      forbidden = true;
    }
  }
  return pipe_copy(to, from, size);
}

using fault_guard::Access;

bool note(const void* at, size_t size, Access access, bool good) {
  if (!good) return fault_guard::forget(at, size);
  fault_guard::remember(at, size, access);
  return true;
}

}  // namespace

bool read_by_kernel(void* to, const void* from, size_t size) {
  return note(from, size, Access::kRead, kernel_copy(to, from, size));
}

bool write_by_kernel(void* to, const void* from, size_t size) {
  return note(to, size, Access::kWrite, kernel_copy(to, from, size));
}

bool safe_copy(void* to, const void* from, size_t size) {
  if (fault_guard::covers(from, size, Access::kRead) && fault_guard::covers(to, size, Access::kWrite) &&
      fault_guard::copy(to, from, size)) {
    return true;
  }
  const bool copied = kernel_copy(to, from, size);
  note(from, size, Access::kRead, copied);
  return note(to, size, Access::kWrite, copied);
}

namespace {

bool populate(const void* at, size_t size, bool writable) {
  const Pages pages = pages_of(at, size);
  int result;
  do {
    result =
        madvise(reinterpret_cast<void*>(pages.begin), pages.size, writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
  } while (result != 0 && errno == EINTR);
  return result == 0;
}

}  // namespace

bool bring_in(const void* at, size_t size, bool writable) {
  if (size == 0) return true;
  const Access access = writable ? Access::kWrite : Access::kRead;
  if (fault_guard::covers(at, size, access)) {
    return fault_guard::touch(at, size, access) || fault_guard::forget(at, size);
  }
  const bool there = populate(at, size, writable);
  // Not noted: registers of devices, which cannot be brought in, and which a look may change.
  if (!there && errno == EINVAL && permitted(at, size, writable)) return true;
  return note(at, size, access, there);
}

bool is_mapped(const void* at, size_t size) {
  if (size == 0) return true;
  Pages pages = pages_of(at, size);
  // MS_ASYNC starts nothing: all that is left of the call is the look at the mappings.
  return msync(reinterpret_cast<void*>(pages.begin), pages.size, MS_ASYNC) == 0;
}

}  // namespace vb
