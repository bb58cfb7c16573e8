// SPDX-License-Identifier: BSD-2-Clause
// Device memory: inline functions of the program call it through verbs_context and ibv_dm.
#include "door.h"

using namespace vb;
using namespace vb::door;

namespace vb::door {
namespace {

int copy_to(ibv_dm* dm, uint64_t offset, const void* from, size_t length) {
  return errno_entry([&] { return memcpy_to_dm(Dm::from(dm), offset, from, length); });
}

int copy_from(void* to, ibv_dm* dm, uint64_t offset, size_t length) {
  return errno_entry([&] { return memcpy_from_dm(to, Dm::from(dm), offset, length); });
}

ibv_dm* with_copies(ibv_dm* dm) {
  if (!dm) return nullptr;
  dm->memcpy_to_dm = copy_to;
  dm->memcpy_from_dm = copy_from;
  return dm;
}

ibv_dm* table_alloc_dm(ibv_context* context, ibv_alloc_dm_attr* attr) {
  return with_copies(pointer_entry([&] { return alloc_dm(Context::from(context), *attr); }));
}

int table_free_dm(ibv_dm* dm) {
  return errno_entry([&] { return free_dm(Dm::from(dm)); });
}

ibv_mr* table_reg_dm_mr(ibv_pd* pd, ibv_dm* dm, uint64_t offset, size_t length, unsigned access) {
  return pointer_entry([&] { return reg_dm_mr(Pd::from(pd), Dm::from(dm), offset, length, access); });
}

}  // namespace

void overlay_device_memory(verbs_context& table) {
  table.alloc_dm = table_alloc_dm;
  table.free_dm = table_free_dm;
  table.reg_dm_mr = table_reg_dm_mr;
}

}  // namespace vb::door

VB_DOOR ibv_dm* ibv_import_dm(ibv_context* context, uint32_t handle) {
  if (!ours(context)) return native_ibv_import_dm(context, handle);
  return with_copies(pointer_entry([&] { return import_dm(Context::from(context), handle); }));
}

VB_DOOR int ibv_dm_export_dmabuf_fd(ibv_dm* dm) {
  if (!ours(dm)) return native_ibv_dm_export_dmabuf_fd(dm);
  Result<int> fd = guarded([&] { return export_dm(Dm::from(dm)); });
  return fd ? *fd : as_minus_one(fd);
}

VB_DOOR void ibv_unimport_dm(ibv_dm* dm) {
  if (!ours(dm)) return native_ibv_unimport_dm(dm);
  unimport_dm(Dm::from(dm));
}
