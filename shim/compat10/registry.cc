// SPDX-License-Identifier: BSD-2-Clause
#include "compat10/registry.h"

#include <atomic>
#include <mutex>
#include <unordered_set>

#include "base/never_destroyed.h"
#include "compat10/door.h"

namespace vb::compat10 {
namespace {

struct Alive {
  std::mutex mutex;
  std::unordered_set<const void*> objects;
  std::atomic<size_t> count{0};

  void add(const void* object) {
    std::lock_guard guard(mutex);
    objects.insert(object);
    count = objects.size();
  }
  void remove(const void* object) {
    std::lock_guard guard(mutex);
    objects.erase(object);
    count = objects.size();
  }
  bool has(const void* object) {
    if (count.load(std::memory_order_relaxed) == 0) return false;
    std::lock_guard guard(mutex);
    return objects.contains(object);
  }
};

Alive& contexts() {
  static NeverDestroyed<Alive> value;
  return *value;
}

Alive& channels() {
  static NeverDestroyed<Alive> value;
  return *value;
}

}  // namespace

void enter(Context* context) { contexts().add(context); }
void leave(Context* context) { contexts().remove(context); }

Context* as_context(const void* pointer) {
  return contexts().has(pointer) ? static_cast<Context*>(const_cast<void*>(pointer)) : nullptr;
}

Channel* as_channel(const void* pointer) {
  return channels().has(pointer) ? static_cast<Channel*>(const_cast<void*>(pointer)) : nullptr;
}

ibv_comp_channel* create_channel(Context* context) {
  auto* channel = wrap<Channel>(ibv_create_comp_channel(context->real), ibv_destroy_comp_channel);
  if (!channel) return nullptr;
  channel->fd = channel->real->fd;
  channels().add(channel);
  return reinterpret_cast<ibv_comp_channel*>(channel);
}

int destroy_channel(Channel* channel) {
  if (const int error = ibv_destroy_comp_channel(channel->real); error != 0) return error;
  channels().remove(channel);
  delete channel;
  return 0;
}

}  // namespace vb::compat10
