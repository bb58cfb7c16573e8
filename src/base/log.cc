// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>

#include "base/config.h"

namespace vb {
namespace {

constexpr size_t kMaxLine = 1024;

const char* name_of(LogLevel level) {
  static constexpr const char* kNames[] = {"error", "warning", "info", "debug"};
  return kNames[static_cast<int>(level)];
}

int output_fd() {
  static const int fd = [] {
    const std::string& path = config().log_file;
    if (path.empty()) return STDERR_FILENO;
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    return file >= 0 ? file : STDERR_FILENO;
  }();
  return fd;
}

/// A line goes out in one write, so that lines of several processes do not mix.
void write_line(LogLevel level, const char* format, va_list args) {
  const int saved = errno;
  char line[kMaxLine];
  const int head = std::snprintf(line, sizeof line, "verbatim[%d] %s: ", static_cast<int>(::getpid()), name_of(level));
  errno = saved;
  const int body = std::vsnprintf(line + head, sizeof line - head, format, args);
  const size_t length = std::min<size_t>(head + std::max(body, 0), sizeof line - 1);
  line[length] = '\n';
  [[maybe_unused]] const ssize_t written = ::write(output_fd(), line, length + 1);
  errno = saved;
}

}  // namespace

bool log_enabled(LogLevel level) { return level <= config().log; }

void log(LogLevel level, const char* format, ...) {
  if (!log_enabled(level)) return;
  va_list args;
  va_start(args, format);
  write_line(level, format, args);
  va_end(args);
}

void log_once(std::atomic<bool>& done, LogLevel level, const char* format, ...) {
  if (!log_enabled(level) || done.exchange(true, std::memory_order_relaxed)) return;
  va_list args;
  va_start(args, format);
  write_line(level, format, args);
  va_end(args);
}

}  // namespace vb
