// SPDX-License-Identifier: BSD-2-Clause
// Fork support. Our devices pin nothing and share no page with hardware, so they need none; real hardware may.
#include "base/config.h"
#include "door.h"
#include "native/library.h"

using namespace vb;

namespace {

/// Whether there can be native devices at all.
bool native_there() {
  return config().native != Native::off &&
         native::find_symbol(native::Library::ibverbs, "ibv_fork_init", "IBVERBS_1.1") != nullptr;
}

}  // namespace

VB_DOOR int ibv_fork_init() { return native_there() ? native_ibv_fork_init() : 0; }

VB_DOOR ibv_fork_status ibv_is_fork_initialized() {
  return native_there() ? native_ibv_is_fork_initialized() : IBV_FORK_UNNEEDED;
}
