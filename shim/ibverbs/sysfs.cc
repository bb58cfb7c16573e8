// SPDX-License-Identifier: BSD-2-Clause
// Reading small files of sysfs, which old programs do through the library.
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "door.h"

VB_DOOR const char* ibv_get_sysfs_path() {
  static const char* const path = [] {
    const char* chosen = ::secure_getenv("SYSFS_PATH");
    return chosen && *chosen ? ::strdup(chosen) : "/sys";
  }();
  return path;
}

namespace {

vb::Result<ssize_t> read_line(const std::string& path, char* buffer, size_t size) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return vb::Error{errno};
  ssize_t length = ::read(fd, buffer, size);
  const int failure = errno;
  ::close(fd);
  if (length < 0) return vb::Error{failure};
  if (length > 0 && buffer[length - 1] == '\n') buffer[--length] = '\0';
  if (static_cast<size_t>(length) < size) buffer[length] = '\0';
  return length;
}

}  // namespace

/// The length read, without the newline at the end; -1 and errno.
VB_DOOR int ibv_read_sysfs_file(const char* directory, const char* file, char* buffer, size_t size) {
  auto length = vb::door::guarded([&] { return read_line(std::string(directory) + "/" + file, buffer, size); });
  return length ? static_cast<int>(*length) : vb::door::as_minus_one(length);
}
