// SPDX-License-Identifier: BSD-2-Clause
// Registration with attributes: one of the older calls, and the hints of a DMA handle.
#include "door.h"
#include "verbs/buf.h"
#include "verbs/dmah.h"

using namespace vb;
using namespace vb::door;

namespace {

constexpr uint64_t kKnown = IBV_REG_MR_MASK_IOVA | IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_FD |
                            IBV_REG_MR_MASK_FD_OFFSET | IBV_REG_MR_MASK_DMAH | IBV_REG_MR_MASK_BUF;
constexpr uint64_t kFromFd = IBV_REG_MR_MASK_FD | IBV_REG_MR_MASK_FD_OFFSET;

bool buf_fits(const ibv_pd* pd, const ibv_mr_init_attr& attr) {
  if (!(attr.comp_mask & IBV_REG_MR_MASK_ADDR) || (attr.comp_mask & kFromFd) || !is_buf(attr.buf)) return false;
  const Buf& buf = Buf::from(attr.buf);
  return &buf.pd->abi == pd && contains(buf, attr.addr, attr.length);
}

/// ibv_reg_mr_ex(3): memory is named by one of address and fd.
Result<void> check(const ibv_pd* pd, const ibv_mr_init_attr& attr) {
  const uint64_t mask = attr.comp_mask;
  if (mask & ~kKnown) return Error{EOPNOTSUPP};
  const bool by_address = (mask & IBV_REG_MR_MASK_ADDR) != 0;
  const bool by_fd = (mask & IBV_REG_MR_MASK_FD) != 0;
  if (by_address == by_fd || (by_address && (mask & kFromFd))) return Error{EINVAL};
  if ((mask & IBV_REG_MR_MASK_BUF) && !buf_fits(pd, attr)) return Error{EINVAL};
  if ((mask & IBV_REG_MR_MASK_DMAH) && (!attr.dmah || attr.dmah->context != pd->context)) return Error{EINVAL};
  return {};
}

ibv_mr* register_by_address(ibv_pd* pd, const ibv_mr_init_attr& attr) {
  const bool other = (attr.comp_mask & IBV_REG_MR_MASK_IOVA) != 0;
  const uint64_t iova = other ? attr.iova : reinterpret_cast<uint64_t>(attr.addr);
  return ibv_reg_mr_iova2(pd, attr.addr, attr.length, iova, static_cast<unsigned>(attr.access));
}

ibv_mr* register_by_fd(ibv_pd* pd, const ibv_mr_init_attr& attr) {
  const uint64_t offset = (attr.comp_mask & IBV_REG_MR_MASK_FD_OFFSET) ? attr.fd_offset : 0;
  const uint64_t iova = (attr.comp_mask & IBV_REG_MR_MASK_IOVA) ? attr.iova : offset;
  return ibv_reg_dmabuf_mr(pd, offset, attr.length, iova, attr.fd, attr.access);
}

}  // namespace

VB_DOOR ibv_mr* ibv_reg_mr_ex(ibv_pd* pd, ibv_mr_init_attr* attr) {
  if (!ours(pd)) return native_ibv_reg_mr_ex(pd, attr);
  if (Result<void> valid = check(pd, *attr); !valid) {
    errno = valid.error();
    return nullptr;
  }
  const bool by_fd = (attr->comp_mask & IBV_REG_MR_MASK_FD) != 0;
  ibv_mr* mr = by_fd ? register_by_fd(pd, *attr) : register_by_address(pd, *attr);
  if (mr && (attr->comp_mask & IBV_REG_MR_MASK_DMAH)) keep_hints(Mr::from(mr), Dmah::from(attr->dmah));
  return mr;
}

VB_DOOR int verbatim_query_mr_hints(const ibv_mr* mr, ibv_dmah_init_attr* hints) {
  if (!ours(mr)) return EOPNOTSUPP;
  const Dmah* dmah = Mr::from(const_cast<ibv_mr*>(mr)).dmah;
  if (!dmah) return ENODATA;
  *hints = dmah->hints;
  return 0;
}
