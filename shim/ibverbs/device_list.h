// SPDX-License-Identifier: BSD-2-Clause
// Arrays of devices, ours first, then the system library's. An array of ours remembers the native array it holds.
#pragma once

#include <infiniband/verbs.h>

#include "base/result.h"

namespace vb::door {

/// The devices this call may see: native ones only for a thread inside libfabric or with native=only, ours only with
/// native=off. EINVAL when the options are wrong. `count` is set when it is not nullptr.
Result<ibv_device**> make_device_list(int* count);

/// Whether the array came from make_device_list: then it is freed, and its native part with it.
bool free_device_list(ibv_device** list);

}  // namespace vb::door
