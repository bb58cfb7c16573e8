// SPDX-License-Identifier: BSD-2-Clause
// Memory regions.
#include "door.h"

using namespace vb;
using namespace vb::door;

namespace {

ibv_mr* register_ours(ibv_pd* pd, void* addr, size_t length, uint64_t iova, unsigned access) {
  return pointer_entry([&] { return reg_mr(Pd::from(pd), addr, length, iova, access); });
}

}  // namespace

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
  return unsupported<"ibv_reg_dmabuf_mr", ibv_mr*>();
}

VB_DOOR int ibv_rereg_mr(ibv_mr* mr, int flags, ibv_pd* pd, void* addr, size_t length, int access) {
  if (!ours(mr)) return native_ibv_rereg_mr(mr, flags, pd, addr, length, access);
  (void)unsupported<"ibv_rereg_mr">();
  return IBV_REREG_MR_ERR_INPUT;
}

VB_DOOR int ibv_dereg_mr(ibv_mr* mr) {
  if (!ours(mr)) return native_ibv_dereg_mr(mr);
  return errno_entry([&] { return dereg_mr(Mr::from(mr)); });
}
