// SPDX-License-Identifier: BSD-2-Clause
// How devices of ours are called.
#pragma once

namespace vb {

/// The interface's name follows.
inline constexpr char kDevicePrefix[] = "vb_";

}  // namespace vb
