// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/buf.h"

#include <mutex>
#include <unordered_set>

#include "base/never_destroyed.h"

namespace vb {
namespace {

std::mutex mutex;

std::unordered_set<const void*>& alive() {
  static NeverDestroyed<std::unordered_set<const void*>> buffers;
  return *buffers;
}

}  // namespace

Result<Buf*> alloc_buf(Pd& pd, size_t size) {
  if (size == 0) return Error{EINVAL};
  auto memory = ExportableMemory::allocate(size);
  if (!memory) return Error{memory.error()};
  auto* buf = new Buf{&pd, std::move(*memory), size};
  ++pd.uses;
  std::lock_guard guard(mutex);
  alive().insert(buf);
  return buf;
}

void free_buf(Buf& buf) {
  {
    std::lock_guard guard(mutex);
    alive().erase(&buf);
  }
  --buf.pd->uses;
  delete &buf;
}

bool is_buf(const ibv_buf* buf) {
  std::lock_guard guard(mutex);
  return alive().contains(buf);
}

bool contains(const Buf& buf, const void* addr, size_t length) {
  const auto* at = static_cast<const unsigned char*>(addr);
  if (at < buf.memory.address()) return false;
  const size_t offset = static_cast<size_t>(at - buf.memory.address());
  return offset <= buf.size && length <= buf.size - offset;
}

Result<int> export_buf(Buf& buf) { return buf.memory.export_dmabuf(); }

}  // namespace vb
