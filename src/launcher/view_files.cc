// SPDX-License-Identifier: BSD-2-Clause
// Where views are kept.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "launcher/view.h"

namespace vb::launcher {
namespace {

namespace fs = std::filesystem;
constexpr auto kKept = std::chrono::days(7);

/// FNV-1a over everything that is in a view: the same devices find the same directory again.
std::string name_of(const std::vector<ViewEntry>& entries) {
  uint64_t value = 0xcbf29ce484222325;
  const auto add = [&](const std::string& text) {
    for (const char c : text + '\0') value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  };
  for (const ViewEntry& entry : entries) {
    add(entry.path);
    add(entry.content);
  }
  char name[24];
  std::snprintf(name, sizeof name, "view-%016llx", static_cast<unsigned long long>(value));
  return name;
}

/// /tmp is everybody's: what is not a directory of this user that nobody else may write to is not used. Others may read
/// it: a program that gives up its privileges goes on seeing the view.
Result<void> own_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return Error{errno};
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return Error{errno};
  const bool ours = S_ISDIR(found.st_mode) && found.st_uid == ::geteuid() && (found.st_mode & 022) == 0;
  return ours ? Result<void>{} : Error{EPERM};
}

Result<std::string> base_directory() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime && *runtime == '/') {
    const std::string path = std::string(runtime) + "/verbatim";
    if (own_directory(path)) return path;
  }
  const std::string path = "/tmp/verbatim-" + std::to_string(::geteuid());
  if (Result<void> own = own_directory(path); !own) return Error{own.error()};
  return path;
}

Result<void> write_entry(const std::string& root, const ViewEntry& entry) {
  const std::string path = root + entry.path;
  std::error_code failed;
  fs::create_directories(fs::path(path).parent_path(), failed);
  if (failed) return Error{failed.value()};
  if (entry.link) return ::symlink(entry.content.c_str(), path.c_str()) == 0 ? Result<void>{} : Error{errno};
  std::ofstream file(path);
  file << entry.content;
  file.close();
  return file ? Result<void>{} : Error{EIO};
}

/// Under another name first: nobody sees a view that is half written.
Result<void> write_view(const std::string& path, const std::vector<ViewEntry>& entries) {
  std::string unfinished = path + ".XXXXXX";
  if (!::mkdtemp(unfinished.data()) || ::chmod(unfinished.c_str(), 0755) != 0) return Error{errno};
  Result<void> result;
  for (const ViewEntry& entry : entries)
    if (result) result = write_entry(unfinished, entry);
  // Another launcher may have been faster, with the same view.
  if (result && ::rename(unfinished.c_str(), path.c_str()) != 0 && errno != EEXIST && errno != ENOTEMPTY)
    result = Error{errno};
  std::error_code ignored;
  fs::remove_all(unfinished, ignored);
  return result;
}

void remove_old(const std::string& base) {
  std::error_code ignored;
  const auto limit = fs::file_time_type::clock::now() - kKept;
  for (const auto& each : fs::directory_iterator(base, ignored))
    if (const auto used = each.last_write_time(ignored); !ignored && used < limit) fs::remove_all(each.path(), ignored);
}

}  // namespace

Result<std::string> make_view(const std::vector<ViewEntry>& entries) {
  Result<std::string> base = base_directory();
  if (!base) return base;
  const std::string path = *base + "/" + name_of(entries);
  if (::utimensat(AT_FDCWD, path.c_str(), nullptr, 0) == 0) return path;  // in use again
  remove_old(*base);
  if (Result<void> written = write_view(path, entries); !written) return Error{written.error()};
  return path;
}

}  // namespace vb::launcher
