// SPDX-License-Identifier: BSD-2-Clause
// Buffers of the device. A handle has no context: a set knows ours.
#include "verbs/buf.h"

#include "door.h"

using namespace vb;
using namespace vb::door;

VB_DOOR void* ibv_alloc_buf(ibv_pd* pd, size_t size, ibv_buf** buf) {
  if (!ours(pd)) return native_ibv_alloc_buf(pd, size, buf);
  Result<Buf*> made = guarded([&] { return alloc_buf(Pd::from(pd), size); });
  errno = made ? errno : made.error();
  if (!made) return nullptr;
  *buf = reinterpret_cast<ibv_buf*>(*made);
  return (*made)->memory.address();
}

VB_DOOR void ibv_free_buf(ibv_buf* buf) {
  if (!is_buf(buf)) return native_ibv_free_buf(buf);
  free_buf(Buf::from(buf));
}

VB_DOOR ibv_mr* ibv_reg_buf_mr(ibv_pd* pd, ibv_buf* buf, void* addr, size_t length, int access) {
  if (!ours(pd)) return native_ibv_reg_buf_mr(pd, buf, addr, length, access);
  ibv_mr_init_attr attr{};
  attr.length = length;
  attr.access = access;
  attr.comp_mask = IBV_REG_MR_MASK_BUF | IBV_REG_MR_MASK_ADDR;
  attr.addr = addr;
  attr.buf = buf;
  return ibv_reg_mr_ex(pd, &attr);
}

VB_DOOR int ibv_export_buf_dmabuf_fd(ibv_buf* buf) {
  if (!is_buf(buf)) return native_ibv_export_buf_dmabuf_fd(buf);
  Result<int> fd = guarded([&] { return export_buf(Buf::from(buf)); });
  return fd ? *fd : as_minus_one(fd);
}
