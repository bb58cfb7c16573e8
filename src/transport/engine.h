// SPDX-License-Identifier: BSD-2-Clause
// The one engine of a process: made at the first queue pair, never destroyed, left behind by a forked child.
#pragma once

#include <atomic>

#include "transport/helper.h"
#include "transport/lane.h"
#include "transport/placement.h"
#include "transport/router.h"

namespace vb {

struct Engine {
  Lane lane;
  Router router{lane};
  Placement placement{numa::topology()};
  Helper helper{lane, router, placement};
};

extern std::atomic<Engine*> current_engine;
Engine& make_engine();

/// The engine, made at the first call. Needs no libfabric and starts no thread.
inline Engine& engine() {
  Engine* self = current_engine.load(std::memory_order_acquire);
  return self ? *self : make_engine();
}
/// Opens the router and starts the helper, once, without libfabric. Errors: of the system calls beneath.
Result<void> start_helper();
/// The same, and the helper loads libfabric: for whoever moves data.
Result<void> start_engine();
/// Whether one of these has been here.
bool engine_started();

}  // namespace vb
