// SPDX-License-Identifier: BSD-2-Clause
#include "transport/window.h"

#include <infiniband/verbs.h>

#include "transport/lane.h"
#include "transport/queue_pair.h"

namespace vb {

namespace {

constexpr unsigned kRemoteAccess = kRemoteWrite | kRemoteRead | kRemoteAtomic;

bool lies_inside(const WindowBinding& binding, const MemoryRegion& region) {
  return region.contains(binding.address, binding.length);
}

/// The region that a window is to be bound to, or nullptr if that is not allowed (C10-72 to C10-75).
MemoryRegion* region_for(const MemoryTable& memory, const MemoryWindow& window, const WindowBinding& binding) {
  MemoryRegion* region = memory.region(binding.mr);
  if (!region || region->pd != window.pd || !(region->access & kBindWindow)) return nullptr;
  if ((region->access & IBV_ACCESS_ZERO_BASED) || region->offset_mask == 0 || region->layout) return nullptr;
  bool writes = (binding.access & (kRemoteWrite | kRemoteAtomic)) != 0;
  if (writes && !(region->access & kLocalWrite)) return nullptr;
  return lies_inside(binding, *region) ? region : nullptr;
}

void bind(QueuePair& qp, MemoryWindow& window, MemoryRegion& region, const WindowBinding& binding) {
  window.address = reinterpret_cast<uint64_t>(region.host(binding.address));
  window.length = binding.length;
  window.iova = (binding.access & IBV_ACCESS_ZERO_BASED) ? 0 : binding.address;
  window.access = binding.access & kRemoteAccess;
  window.region = &region;
  ++region.windows;
  if (window.type == 1) return;
  window.qp = &qp;
  qp.windows.push_back(window);
}

/// What depends on the window alone.
bool may_bind(const QueuePair& qp, const MemoryWindow& window, const WindowBinding& binding) {
  if (window.pd != qp.config.pd || window.key == binding.rkey) return false;
  if (window.type == 1) return !(binding.access & IBV_ACCESS_ZERO_BASED);
  return window.region == nullptr && binding.length != 0;  // one that is bound must be invalidated first
}

}  // namespace

WindowOutcome bind_window(QueuePair& qp, const WindowBinding& binding) {
  MemoryTable& memory = qp.config.lane->memory;
  MemoryWindow* window = memory.window(binding.rkey);
  if (!window || !may_bind(qp, *window, binding)) return WindowOutcome::kRefused;
  MemoryRegion* region = binding.length ? region_for(memory, *window, binding) : nullptr;
  if (binding.length && !region) return WindowOutcome::kRefused;
  unbind(*window);
  if (window->users != 0) return WindowOutcome::kBusy;
  memory.rename(*window, binding.rkey);
  if (region) bind(qp, *window, *region, binding);
  return WindowOutcome::kDone;
}

bool may_invalidate(const QueuePair& qp, uint32_t rkey) {
  MemoryWindow* window = qp.config.lane->memory.window(rkey);
  return window && window->key == rkey && window->type == 2 && window->qp == &qp;
}

WindowOutcome invalidate_window(QueuePair& qp, uint32_t rkey) {
  if (!may_invalidate(qp, rkey)) return WindowOutcome::kRefused;
  MemoryWindow& window = *qp.config.lane->memory.window(rkey);
  window.access = 0;  // nothing new begins
  if (window.users != 0) return WindowOutcome::kBusy;
  unbind(window);
  return WindowOutcome::kDone;
}

void unbind(MemoryWindow& window) {
  if (!window.region) return;
  --window.region->windows;
  window.region = nullptr;
  window.qp = nullptr;
  window.unlink();
}

}  // namespace vb
