// SPDX-License-Identifier: BSD-2-Clause
// rdma_cm_event: what happened, made ready for the program.
#pragma once

#include <rdma/rdma_cma.h>

#include <array>
#include <memory>

#include "cm/types.h"
#include "id.h"

namespace vb::door {

inline constexpr size_t kMostPrivate = 256;  ///< bytes of private data that any event has

/// An event in the program's hands.
struct HeldEvent {
  rdma_cm_event abi{};
  std::array<unsigned char, kMostPrivate> data{};
  Id* counted = nullptr;  ///< whose events it is one of: the listener's for a request

  static HeldEvent& from(rdma_cm_event* event) { return *reinterpret_cast<HeldEvent*>(event); }
};

/// Takes the next event that is for the program, and does what it stands for (the QP's next state). Blocks; a
/// cancellation point.
Result<rdma_cm_event*> next_event(EventChannel& channel);
/// The program has one more event of this identifier.
void report(Id& id);
void release_event(HeldEvent& event);
const char* event_text(rdma_cm_event_type type);

}  // namespace vb::door
