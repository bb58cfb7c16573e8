// SPDX-License-Identifier: BSD-2-Clause
#include "exp/dm.h"

namespace vb::exp {
namespace {

Result<ExpDm*> allocate(Context& context, const ibv_exp_alloc_dm_attr& attr) {
  if (attr.comp_mask) return Error{EINVAL};
  auto own = std::make_unique<ExpDm>();
  ibv_alloc_dm_attr now{};
  now.length = attr.length;
  auto dm = alloc_dm(context, now);
  if (!dm) return Error{dm.error()};
  own->dm = *dm;
  own->abi.context = &context.abi.context;
  own->abi.handle = (*dm)->abi.handle;
  return own.release();
}

ibv_exp_dm* table_alloc_dm(ibv_context* context, ibv_exp_alloc_dm_attr* attr) {
  return pointer_entry([&] { return allocate(Context::from(context), *attr); });
}

int table_free_dm(ibv_exp_dm* dm) {
  ExpDm& own = ExpDm::from(dm);
  const int error = errno_entry([&] { return free_dm(own.real()); });
  if (error == 0) delete &own;
  return error;
}

int table_memcpy_dm(ibv_exp_dm* dm, ibv_exp_memcpy_dm_attr* attr) {
  if (attr->comp_mask || attr->memcpy_dir > IBV_EXP_DM_CPY_TO_HOST) return EINVAL;
  Dm& real = ExpDm::from(dm).real();
  const bool to_device = attr->memcpy_dir == IBV_EXP_DM_CPY_TO_DEVICE;
  return errno_entry([&] {
    return to_device ? memcpy_to_dm(real, attr->dm_offset, attr->host_addr, attr->length)
                     : memcpy_from_dm(attr->host_addr, real, attr->dm_offset, attr->length);
  });
}

}  // namespace

void overlay_device_memory(verbs_context_exp& table) {
  table.exp_alloc_dm = table_alloc_dm;
  table.exp_free_dm = table_free_dm;
  table.exp_memcpy_dm = table_memcpy_dm;
}

}  // namespace vb::exp
