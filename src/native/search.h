// SPDX-License-Identifier: BSD-2-Clause
// Where the system's own libraries lie. They have the names of our doors, so the dynamic linker cannot be asked by
// name.
#pragma once

#include <string>
#include <vector>

namespace vb::native {

/// The full path of the library the dynamic linker would take for `soname` if we were not there: LD_LIBRARY_PATH, the
/// linker's cache, its default directories. Directories that hold an engine of ours are passed over. Empty: none.
std::string find_library(const std::string& soname);

/// The paths that a cache file (/etc/ld.so.cache, format 1.1) gives for `soname` on this architecture.
std::vector<std::string> paths_in_cache(const std::string& cache, const std::string& soname);

}  // namespace vb::native
