// SPDX-License-Identifier: BSD-2-Clause
// ibv_context: an open device.
#pragma once

#include <infiniband/verbs.h>

#include <atomic>
#include <memory>

#include "base/export.h"
#include "base/result.h"
#include "verbs/device.h"

struct ibv_buf;
struct ibv_dmah;
struct ibv_dmah_init_attr;
struct ibv_mr_init_attr;

namespace vb {

class AsyncEvents;
class Share;

/// What verbs_context has got since the header that this is compiled with: it grows upward, so these stand in front of
/// it, the newest first, and a newer header finds them through abi.sz.
struct NewerSlots {
  void (*free_buf)(ibv_buf* buf);
  void* (*alloc_buf)(ibv_pd* pd, size_t size, ibv_buf** buf);
  int (*dm_export_dmabuf_fd)(ibv_dm* dm);
  ibv_mr* (*reg_mr_ex)(ibv_pd* pd, ibv_mr_init_attr* attr);
  int (*dealloc_dmah)(ibv_dmah* dmah);
  ibv_dmah* (*alloc_dmah)(ibv_context* context, ibv_dmah_init_attr* attr);
};

/// The size of the table of MLNX_OFED's experimental verbs (shim/exp), which stands below verbs_context.
inline constexpr size_t kExperimentalTableSize = 664;

struct Context {
  alignas(void*) unsigned char experimental[kExperimentalTableSize] = {};
  NewerSlots newer{};
  verbs_context abi{};
  // The tail is private.
  Device* device = nullptr;
  AsyncEvents* events = nullptr;
  std::shared_ptr<Share> share;  ///< with the contexts that were imported from this one
  std::atomic<int> uses{1};      ///< the program's own, and one for each object of the context

  static Context& from(ibv_context* context) {
    return *reinterpret_cast<Context*>(reinterpret_cast<char*>(context) - offsetof(Context, abi.context));
  }
};

/// sizeof(struct verbs_context) in the newest header.
inline constexpr size_t kVerbsContextSize = sizeof(NewerSlots) + sizeof(verbs_context);
static_assert(kVerbsContextSize == 696 && offsetof(Context, abi) == offsetof(Context, newer) + sizeof(NewerSlots));
static_assert(offsetof(Context, newer) == kExperimentalTableSize);

/// Opens a device. The ops and verbs_context slots are still empty: the door fills them in.
VB_API Result<Context*> open_device(Device& device);
/// ibv_import_device(3): another context of the device that a command descriptor belongs to. Takes `cmd_fd` over.
/// EINVAL for a descriptor that is not one of ours, ENODEV when the device is not there.
VB_API Result<Context*> import_device(int cmd_fd);
/// Whether it is a command descriptor of ours.
VB_API bool is_command_fd(int fd);
/// Programs may close a device while objects of it still exist: it lives until the last of them goes.
VB_API Result<void> close_device(Context& context);
/// Drops a use; the last one frees.
void release(Context& context);

/// Blocks until an asynchronous event is there (EAGAIN when the fd is non-blocking). A cancellation point.
VB_API Result<void> get_async_event(Context& context, ibv_async_event& event);
VB_API void ack_async_event(ibv_async_event& event);

}  // namespace vb
