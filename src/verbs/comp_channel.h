// SPDX-License-Identifier: BSD-2-Clause
// ibv_comp_channel: a real file descriptor that carries completion events.
#pragma once

#include <infiniband/verbs.h>

#include "base/export.h"
#include "base/result.h"
#include "verbs/context.h"
#include "verbs/event_queue.h"

namespace vb {

struct Cq;

struct CompChannel {
  ibv_comp_channel abi{};
  EventQueue<Cq*> events;

  static CompChannel& from(ibv_comp_channel* channel) { return *reinterpret_cast<CompChannel*>(channel); }
};

VB_API Result<CompChannel*> create_comp_channel(Context& context);
VB_API Result<void> destroy_comp_channel(CompChannel& channel);  ///< EBUSY while CQs use it
/// The CQ of the next event. Blocks (EAGAIN when the fd is non-blocking, EINTR after a signal); a cancellation point,
/// so no noexcept frame and no catch-all may stand above it.
VB_API Result<Cq*> get_cq_event(CompChannel& channel);
VB_API void ack_cq_events(Cq& cq, unsigned count);

}  // namespace vb
