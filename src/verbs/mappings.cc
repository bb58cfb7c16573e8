// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/mappings.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>

#include "base/never_destroyed.h"
#include "base/safe_copy.h"
#include "transport/memory.h"

namespace vb {

namespace {

struct Mapping {
  uint64_t begin, end;
  char access[5];
  unsigned long inode;
  char path[256];
};

/// Calls fits(mapping) for each mapping of the range; false when there is a hole, or it says so.
template <class Fits>
bool all_mappings(uint64_t at, uint64_t end, FILE* maps, Fits fits) {
  char line[512];
  while (at < end && fgets(line, sizeof line, maps)) {
    Mapping each{};
    unsigned long long from, to;
    int fields = sscanf(line, "%llx-%llx %4s %*s %*s %lu %255s", &from, &to, each.access, &each.inode, each.path);
    if (fields < 4 || to <= at) continue;
    each.begin = from;
    each.end = to;
    if (from > at || !fits(each)) return false;
    at = to;
  }
  return at >= end;
}

std::unique_ptr<FILE, int (*)(FILE*)> open_maps() { return {fopen("/proc/self/maps", "re"), fclose}; }

}  // namespace

bool mapped(uint64_t address, uint64_t length, bool writable) {
  auto maps = open_maps();
  if (!maps) return is_mapped(reinterpret_cast<void*>(address), length);
  return all_mappings(address, address + length, maps.get(), [&](const Mapping& each) {
    return each.access[0] == 'r' && (!writable || each.access[1] == 'w');
  });
}

bool file_backed(uint64_t address, uint64_t length) {
  auto maps = open_maps();
  if (!maps) return false;
  return all_mappings(address, address + length, maps.get(), [](const Mapping& each) {
    return each.access[3] == 's' && each.inode != 0 && strncmp(each.path, "/memfd:", 7) != 0 &&
           strncmp(each.path, "/dev/zero", 9) != 0;
  });
}

namespace {

constexpr size_t kSinkPages = size_t{16} << 20;

/// One small file at many addresses.
void* map_sink() {
  void* at = mmap(nullptr, kNullExtent, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return at;
  int fd = memfd_create("verbatim-null", MFD_CLOEXEC);
  bool fine = fd >= 0 && ftruncate(fd, kSinkPages) == 0;
  for (size_t offset = 0; fine && offset < kNullExtent; offset += kSinkPages) {
    fine = mmap(static_cast<char*>(at) + offset, kSinkPages, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) !=
           MAP_FAILED;
  }
  if (fd >= 0) close(fd);
  if (fine) return at;
  munmap(at, kNullExtent);
  return MAP_FAILED;
}

}  // namespace

Result<NullArenas> null_arenas() {
  static NeverDestroyed<std::mutex> lock;
  static NullArenas arenas{};
  std::lock_guard guard(*lock);
  if (arenas.sink) return arenas;
  void* zeros = mmap(nullptr, kNullExtent, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (zeros == MAP_FAILED) return Error{ENOMEM};
  void* sink = map_sink();
  if (sink == MAP_FAILED) {
    munmap(zeros, kNullExtent);
    return Error{ENOMEM};
  }
  arenas = {reinterpret_cast<uint64_t>(zeros), reinterpret_cast<uint64_t>(sink)};
  return arenas;
}

}  // namespace vb
