// SPDX-License-Identifier: BSD-2-Clause
// The files that stand for our devices under /sys/class and /dev: what a program sees there by way of libverbatim_view.
#pragma once

#include <string>
#include <vector>

#include "verbs/device.h"

namespace vb::launcher {

/// One file, directory link or device node, by its path in the view. Text ends with a newline, as sysfs has it.
struct ViewEntry {
  std::string path;
  std::string content;
  bool link = false;  ///< `content` is what it points to
};

/// What the view says about these devices: snapshots of the same answers that the verbs queries give. Sorted by path.
std::vector<ViewEntry> describe_devices(const std::vector<Device*>& devices);

/// Makes the directory that holds these entries, or finds it from an earlier run; gives its path. It is below
/// $XDG_RUNTIME_DIR or /tmp, is named after what is in it, belongs to this user, and stays: programs outlive the
/// launcher. Directories that no launcher has asked for within a week are removed. Errors: those of the file system;
/// EPERM when the place belongs to somebody else.
Result<std::string> make_view(const std::vector<ViewEntry>& entries);

}  // namespace vb::launcher
