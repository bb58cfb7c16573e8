// SPDX-License-Identifier: BSD-2-Clause
// ibv_xrcd: XRC domains.
#pragma once

#include <infiniband/verbs.h>

#include <atomic>
#include <memory>

#include "base/export.h"
#include "base/result.h"
#include "transport/xrc_domain.h"
#include "verbs/context.h"

namespace vb {

struct Xrcd {
  ibv_xrcd abi{};
  std::shared_ptr<XrcDomain> domain;
  std::atomic<int> uses{0};  ///< SRQs and QPs

  static Xrcd& from(ibv_xrcd* xrcd) { return *reinterpret_cast<Xrcd*>(xrcd); }
};

/// Both fields of the attributes must be given. Errors: see XrcDomain::open, and EINVAL for fields that are not known.
/// ibv_open_xrcd(3).
VB_API Result<Xrcd*> open_xrcd(Context& context, const ibv_xrcd_init_attr& attr);
VB_API Result<void> close_xrcd(Xrcd& xrcd);  ///< EBUSY while SRQs or QPs use it

}  // namespace vb
