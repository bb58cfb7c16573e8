// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/dm.h"

#include <unistd.h>

#include "base/safe_copy.h"
#include "verbs/limits.h"
#include "verbs/share.h"

namespace vb {

namespace {

/// Bytes handed out in this process.
std::atomic<size_t> allocated{0};

bool lies_inside(const DeviceMemory& memory, uint64_t offset, size_t length) {
  return offset <= memory.length && length <= memory.length - offset;
}

/// What hardware's copy engines ask for.
bool copyable(const DeviceMemory& memory, uint64_t offset, size_t length) {
  return offset % 4 == 0 && length % 4 == 0 && lies_inside(memory, offset, length);
}

Dm* make(Context& context, std::shared_ptr<DeviceMemory> memory, uint32_t handle) {
  auto* dm = new Dm;
  dm->memory = std::move(memory);
  dm->abi.context = &context.abi.context;
  dm->abi.comp_mask = IBV_DM_MASK_HANDLE;
  dm->abi.handle = handle;
  ++context.uses;
  return dm;
}

}  // namespace

DeviceMemory::~DeviceMemory() { allocated -= length; }

Result<Dm*> alloc_dm(Context& context, const ibv_alloc_dm_attr& attr) {
  auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (attr.comp_mask != 0 || attr.length == 0 || attr.log_align_req > 31 || (size_t{1} << attr.log_align_req) > page) {
    return Error{EINVAL};
  }
  if (attr.length > kMaxDmSize) return Error{ENOMEM};
  auto memory = std::make_shared<DeviceMemory>();
  memory->length = attr.length;
  if (allocated += attr.length; allocated.load() > kMaxDmSize) return Error{ENOMEM};
  auto pages = ExportableMemory::allocate(attr.length);
  if (!pages) return Error{pages.error()};
  memory->pages = std::move(*pages);
  uint32_t handle = context.share->add(memory);
  return make(context, std::move(memory), handle);
}

Result<void> free_dm(Dm& dm) {
  if (dm.memory->regions.load() != 0) return Error{EBUSY};
  Context::from(dm.abi.context).share->remove(dm.abi.handle);
  unimport_dm(dm);
  return {};
}

Result<Mr*> reg_dm_mr(Pd& pd, Dm& dm, uint64_t offset, size_t length, unsigned access) {
  if (!access_fits(access) || !(access & IBV_ACCESS_ZERO_BASED) || !lies_inside(*dm.memory, offset, length)) {
    return Error{EINVAL};
  }
  auto region = std::make_unique<MemoryRegion>();
  region->address = reinterpret_cast<uint64_t>(dm.memory->at()) + offset;
  region->length = length;
  region->access = access & kKnownAccess & ~unsigned{IBV_ACCESS_MW_BIND};
  ++dm.memory->regions;
  region->backing = std::shared_ptr<void>(dm.memory->at(), [memory = dm.memory](void*) { --memory->regions; });
  auto mr = enter_region(pd, std::move(region));
  if (mr) (*mr)->abi.addr = nullptr;
  return mr;
}

Result<void> memcpy_to_dm(Dm& dm, uint64_t offset, const void* from, size_t length) {
  if (!copyable(*dm.memory, offset, length)) return Error{EINVAL};
  if (!safe_read(dm.memory->at() + offset, from, length)) return Error{EFAULT};
  return {};
}

Result<void> memcpy_from_dm(void* to, Dm& dm, uint64_t offset, size_t length) {
  if (!copyable(*dm.memory, offset, length)) return Error{EINVAL};
  if (!safe_write(to, dm.memory->at() + offset, length)) return Error{EFAULT};
  return {};
}

Result<int> export_dm(Dm& dm) { return dm.memory->pages.export_dmabuf(); }

Result<Dm*> import_dm(Context& context, uint32_t handle) {
  auto memory = context.share->find<DeviceMemory>(handle);
  if (!memory) return Error{context.share->foreign ? EOPNOTSUPP : ENOENT};
  return make(context, std::move(memory), handle);
}

void unimport_dm(Dm& dm) {
  Context& context = Context::from(dm.abi.context);
  delete &dm;
  release(context);
}

}  // namespace vb
