// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/xrcd.h"

#include <fcntl.h>

namespace vb {

Result<Xrcd*> open_xrcd(Context& context, const ibv_xrcd_init_attr& attr) {
  if (attr.comp_mask != (IBV_XRCD_INIT_ATTR_FD | IBV_XRCD_INIT_ATTR_OFLAGS)) return Error{EINVAL};
  auto domain =
      XrcDomain::open({context.device->netdev, attr.fd, (attr.oflags & O_CREAT) != 0, (attr.oflags & O_EXCL) != 0});
  if (!domain) return Error{domain.error()};
  auto xrcd = std::make_unique<Xrcd>();
  xrcd->abi.context = &context.abi.context;
  xrcd->domain = std::move(*domain);
  ++context.uses;
  return xrcd.release();
}

Result<void> close_xrcd(Xrcd& xrcd) {
  if (xrcd.uses.load() != 0) return Error{EBUSY};
  release(Context::from(xrcd.abi.context));
  delete &xrcd;
  return {};
}

}  // namespace vb
