// SPDX-License-Identifier: BSD-2-Clause
// ibv_context: an open device.
#pragma once

#include <infiniband/verbs.h>

#include <atomic>

#include "base/export.h"
#include "base/result.h"
#include "verbs/device.h"

namespace vb {

class AsyncEvents;

/// The structure grows upward: newer slots stand below `abi`, and a newer header finds them through abi.sz.
struct Context {
  void (*newer_slots[32])() = {};
  verbs_context abi{};
  // The tail is private.
  Device* device = nullptr;
  AsyncEvents* events = nullptr;
  std::atomic<int> uses{1};  ///< the program's own, and one for each object of the context

  static Context& from(ibv_context* context) {
    return *reinterpret_cast<Context*>(reinterpret_cast<char*>(context) - offsetof(Context, abi.context));
  }
};

/// Opens a device. The ops and verbs_context slots are still empty: the door fills them in.
VB_API Result<Context*> open_device(Device& device);
/// Programs may close a device while objects of it still exist: it lives until the last of them goes.
VB_API Result<void> close_device(Context& context);
/// Drops a use; the last one frees.
void release(Context& context);

/// Blocks until an asynchronous event is there (EAGAIN when the fd is non-blocking). A cancellation point.
VB_API Result<void> get_async_event(Context& context, ibv_async_event& event);
VB_API void ack_async_event(ibv_async_event& event);

}  // namespace vb
