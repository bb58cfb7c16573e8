// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/privilege.h"

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

namespace vb::launcher {
namespace {

/// Empty: not found.
std::string find_program(const std::string& program) {
  if (program.find('/') != std::string::npos) return program;
  const char* path = std::getenv("PATH");
  std::istringstream list(path ? path : "");
  for (std::string directory; std::getline(list, directory, ':');) {
    std::string file = (directory.empty() ? "." : directory) + "/" + program;
    if (::access(file.c_str(), X_OK) == 0) return file;
  }
  return {};
}

}  // namespace

bool has_rights_of_its_own(const std::string& program) {
  const std::string file = find_program(program);
  struct stat about {};
  if (file.empty() || ::stat(file.c_str(), &about) != 0) return false;
  if ((about.st_mode & S_ISUID) && about.st_uid != ::getuid()) return true;
  if ((about.st_mode & S_ISGID) && (about.st_mode & S_IXGRP) && about.st_gid != ::getgid()) return true;
  return ::getuid() != 0 && ::getxattr(file.c_str(), "security.capability", nullptr, 0) > 0;
}

}  // namespace vb::launcher
