// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/environment.h"

#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <string_view>

namespace vb::launcher {
namespace {

std::string own_directory() {
  char path[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  if (length <= 0) return {};
  const std::string full(path, static_cast<size_t>(length));
  return full.substr(0, full.rfind('/'));
}

std::string resolved(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  if (!real) return {};
  const std::string result(real);
  std::free(real);
  return result;
}

std::string current(const char* variable) {
  const char* value = std::getenv(variable);
  return value ? value : "";
}

/// Adds to a list that the dynamic linker reads, once.
void append(std::string& list, const std::string& entry) {
  if (entry.empty() || (":" + list + ":").find(":" + entry + ":") != std::string::npos) return;
  if (!list.empty()) list += ':';
  list += entry;
}

std::string preload(const std::string& directory) {
  std::string list;
  append(list, VERBATIM_SANITIZER_RUNTIME);
  const std::string inherited = current("LD_PRELOAD");
  if (!inherited.empty() && list.empty())
    list = inherited;
  else
    append(list, inherited);
  append(list, directory + "/libibverbs.so.1");
  append(list, directory + "/librdmacm.so.1");
  // A report of the thread sanitizer's calls file functions, and must not meet the linker's in the view.
  if (!std::string_view(VERBATIM_SANITIZER_RUNTIME).ends_with("libtsan.so"))
    append(list, directory + "/libverbatim_view.so");
  return list;
}

std::string library_path(const std::string& directory) {
  std::string list = directory;
  const std::string inherited = current("LD_LIBRARY_PATH");
  if (inherited == directory || inherited.starts_with(directory + ":")) return inherited;
  if (!inherited.empty()) list += ":" + inherited;
  return list;
}

}  // namespace

std::string library_directory() {
  for (const char* relative : {"/../lib/verbatim", "/" VERBATIM_LIBDIR_FROM_BIN}) {
    const std::string directory = resolved(own_directory() + relative);
    if (!directory.empty() && ::access((directory + "/libverbatim.so.0").c_str(), R_OK) == 0) return directory;
  }
  return {};
}

std::string program_path(const std::string& directory) {
  const std::string tools = directory + "/tools", inherited = current("PATH");
  if (inherited == tools || inherited.starts_with(tools + ":")) return inherited;
  return inherited.empty() ? tools : tools + ":" + inherited;
}

Variables loader_variables(const std::string& directory) {
  return {{"LD_PRELOAD", preload(directory)}, {"LD_LIBRARY_PATH", library_path(directory)}};
}

}  // namespace vb::launcher
