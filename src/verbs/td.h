// SPDX-License-Identifier: BSD-2-Clause
// ibv_td: thread domains. A program promises with one to use what it makes of it from one thread at a time. Nothing
// here becomes quicker by that promise: the locks it would save are not contended then.
#pragma once

#include <infiniband/verbs.h>

#include <atomic>

#include "base/export.h"
#include "base/result.h"
#include "verbs/context.h"

namespace vb {

struct Td {
  ibv_td abi{};
  std::atomic<int> uses{0};  ///< parent domains

  static Td& from(ibv_td* td) { return *reinterpret_cast<Td*>(td); }
};

/// ibv_alloc_td(3). EINVAL: comp_mask has a bit that is not known (none is).
VB_API Result<Td*> alloc_td(Context& context, const ibv_td_init_attr& attr);
VB_API Result<void> dealloc_td(Td& td);  ///< EBUSY while parent domains use it

}  // namespace vb
