// SPDX-License-Identifier: BSD-2-Clause
// Memory regions.
#include "door.h"

using namespace vb;
using namespace vb::door;

namespace {

ibv_mr* register_ours(ibv_pd* pd, void* addr, size_t length, uint64_t iova, unsigned access) {
  return pointer_entry([&] { return reg_mr(Pd::from(pd), addr, length, iova, access); });
}

/// What libibverbs itself refuses leaves the old region valid; so do our own refusals, but the code for them says less.
int reregister(ibv_mr& mr, int flags, ibv_pd* pd, void* addr, size_t length, int access) {
  constexpr int kKnown = IBV_REREG_MR_CHANGE_TRANSLATION | IBV_REREG_MR_CHANGE_PD | IBV_REREG_MR_CHANGE_ACCESS;
  bool fits = flags != 0 && !(flags & ~kKnown) && (!(flags & IBV_REREG_MR_CHANGE_TRANSLATION) || (addr && length)) &&
              (!(flags & IBV_REREG_MR_CHANGE_PD) || pd) && (!access || (flags & IBV_REREG_MR_CHANGE_ACCESS));
  if (!fits) {
    errno = EINVAL;
    return IBV_REREG_MR_ERR_INPUT;
  }
  Pd* to = (flags & IBV_REREG_MR_CHANGE_PD) ? &Pd::from(pd) : nullptr;
  int status =
      minus_one_entry([&] { return rereg_mr(Mr::from(&mr), flags, to, addr, length, static_cast<unsigned>(access)); });
  return status ? IBV_REREG_MR_ERR_CMD : 0;
}

int table_advise_mr(ibv_pd* pd, ibv_advise_mr_advice advice, uint32_t flags, ibv_sge* list, uint32_t count) {
  return errno_entry([&] { return advise_mr(Pd::from(pd), advice, flags, list, count); });
}

ibv_mr* table_alloc_null_mr(ibv_pd* pd) {
  return pointer_entry([&] { return alloc_null_mr(Pd::from(pd)); });
}

}  // namespace

void vb::door::overlay_regions(verbs_context& table) {
  table.advise_mr = table_advise_mr;
  table.alloc_null_mr = table_alloc_null_mr;
}

VB_DOOR ibv_mr* ibv_import_mr(ibv_pd* pd, uint32_t handle) {
  if (!ours(pd)) return native_ibv_import_mr(pd, handle);
  return pointer_entry([&] { return import_mr(Pd::from(pd), handle); });
}

VB_DOOR void ibv_unimport_mr(ibv_mr* mr) {
  if (!ours(mr)) return native_ibv_unimport_mr(mr);
  unimport_mr(Mr::from(mr));
}

VB_DOOR ibv_mr* ibv_reg_mr(ibv_pd* pd, void* addr, size_t length, int access) {
  if (!ours(pd)) return native_ibv_reg_mr(pd, addr, length, access);
  return register_ours(pd, addr, length, reinterpret_cast<uint64_t>(addr), static_cast<unsigned>(access));
}

VB_DOOR ibv_mr* ibv_reg_mr_iova(ibv_pd* pd, void* addr, size_t length, uint64_t iova, int access) {
  if (!ours(pd)) return native_ibv_reg_mr_iova(pd, addr, length, iova, access);
  return register_ours(pd, addr, length, iova, static_cast<unsigned>(access));
}

VB_DOOR ibv_mr* ibv_reg_mr_iova2(ibv_pd* pd, void* addr, size_t length, uint64_t iova, unsigned access) {
  if (!ours(pd)) return native_ibv_reg_mr_iova2(pd, addr, length, iova, access);
  return register_ours(pd, addr, length, iova, access);
}

VB_DOOR ibv_mr* ibv_reg_dmabuf_mr(ibv_pd* pd, uint64_t offset, size_t length, uint64_t iova, int fd, int access) {
  if (!ours(pd)) return native_ibv_reg_dmabuf_mr(pd, offset, length, iova, fd, access);
  return pointer_entry(
      [&] { return reg_dmabuf_mr(Pd::from(pd), offset, length, iova, fd, static_cast<unsigned>(access)); });
}

VB_DOOR int ibv_rereg_mr(ibv_mr* mr, int flags, ibv_pd* pd, void* addr, size_t length, int access) {
  if (!ours(mr)) return native_ibv_rereg_mr(mr, flags, pd, addr, length, access);
  return reregister(*mr, flags, pd, addr, length, access);
}

VB_DOOR int ibv_dereg_mr(ibv_mr* mr) {
  if (!ours(mr)) return native_ibv_dereg_mr(mr);
  return errno_entry([&] { return dereg_mr(Mr::from(mr)); });
}
