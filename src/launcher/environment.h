// SPDX-License-Identifier: BSD-2-Clause
// The environment that puts our doors in front of the system's libraries.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace vb::launcher {

using Variables = std::vector<std::pair<std::string, std::string>>;

/// The directory of the doors, found from where this executable lies: a build tree or an installation. Empty: not
/// found.
std::string library_directory();

/// LD_PRELOAD, with both doors and the library that shows the view after what is there, and LD_LIBRARY_PATH, with their
/// directory in front. A preload alone misses programs that open "libibverbs.so"; a library path alone misses those
/// that were linked with a path of their own.
Variables loader_variables(const std::string& directory);

/// PATH, with the directory in front of commands that know of our devices: rdma(8).
std::string program_path(const std::string& directory);

}  // namespace vb::launcher
