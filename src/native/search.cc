// SPDX-License-Identifier: BSD-2-Clause
#include "native/search.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace vb::native {
namespace {

constexpr char kEngine[] = "libverbatim.so.0";
constexpr char kCacheMagic[] = "glibc-ld.so.cache1.1";
constexpr uint32_t kCacheHeaderSize = 48;
constexpr uint32_t kCacheEntrySize = 24;
#if defined(__x86_64__)
constexpr uint32_t kCacheFlags = 0x0303;  // ELF, libc6, x86-64
#elif defined(__aarch64__)
constexpr uint32_t kCacheFlags = 0x0a03;
#endif

bool exists(const std::string& path) { return ::access(path.c_str(), R_OK) == 0; }

/// The file behind a candidate, unless it stands in a directory of ours.
std::string usable(const std::string& path) {
  char* resolved = ::realpath(path.c_str(), nullptr);
  if (!resolved) return {};
  const std::string real(resolved);
  std::free(resolved);
  const std::string directory = real.substr(0, real.rfind('/'));
  return exists(directory + "/" + kEngine) ? std::string() : path;
}

std::vector<std::string> library_path() {
  const char* text = ::secure_getenv("LD_LIBRARY_PATH");
  std::vector<std::string> result;
  while (text && *text) {
    const size_t length = std::strcspn(text, ":;");
    if (*text == '/') result.emplace_back(text, length);
    text += length + (text[length] != '\0');
  }
  return result;
}

/// The linker's own list, of which the defaults are what the other two sources do not give.
std::vector<std::string> linker_directories() {
  std::vector<std::string> result;
  void* self = ::dlopen(nullptr, RTLD_LAZY | RTLD_NOLOAD);
  Dl_serinfo size{};
  if (!self || ::dlinfo(self, RTLD_DI_SERINFOSIZE, &size) != 0) return result;
  std::vector<char> storage(size.dls_size);
  auto* info = reinterpret_cast<Dl_serinfo*>(storage.data());
  if (::dlinfo(self, RTLD_DI_SERINFOSIZE, info) == 0 && ::dlinfo(self, RTLD_DI_SERINFO, info) == 0) {
    for (unsigned i = 0; i < info->dls_cnt; ++i) result.emplace_back(info->dls_serpath[i].dls_name);
  }
  ::dlclose(self);
  return result;
}

uint32_t word_at(const std::string& data, size_t offset) {
  uint32_t value = 0;
  if (offset + sizeof value <= data.size()) std::memcpy(&value, data.data() + offset, sizeof value);
  return value;
}

/// No streams: their initialisation would cost every process that loads us.
std::string read_file(const char* path) {
  std::string data;
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return data;
  char buffer[16384];
  for (ssize_t got; (got = ::read(fd, buffer, sizeof buffer)) > 0;) data.append(buffer, static_cast<size_t>(got));
  ::close(fd);
  return data;
}

}  // namespace

std::vector<std::string> paths_in_cache(const std::string& cache, const std::string& soname) {
  std::vector<std::string> result;
  const size_t base = cache.find(kCacheMagic);  // an older format may stand in front
  if (base == std::string::npos) return result;
  const std::string data = cache.substr(base);
  const size_t count = word_at(data, sizeof kCacheMagic - 1);
  for (size_t i = 0; i < count; ++i) {
    const size_t entry = kCacheHeaderSize + i * kCacheEntrySize;
    const uint32_t key = word_at(data, entry + 4);
    const uint32_t path = word_at(data, entry + 8);
    if (entry + kCacheEntrySize > data.size() || key >= data.size() || path >= data.size()) break;
    if (word_at(data, entry) == kCacheFlags && soname == data.c_str() + key) result.emplace_back(data.c_str() + path);
  }
  return result;
}

std::string find_library(const std::string& soname) {
  std::vector<std::string> candidates;
  for (const std::string& directory : library_path()) candidates.push_back(directory + "/" + soname);
  for (std::string& path : paths_in_cache(read_file("/etc/ld.so.cache"), soname)) candidates.push_back(std::move(path));
  for (const std::string& directory : linker_directories()) candidates.push_back(directory + "/" + soname);
  for (const std::string& candidate : candidates) {
    if (std::string path = usable(candidate); !path.empty()) return path;
  }
  return {};
}

}  // namespace vb::native
