// SPDX-License-Identifier: BSD-2-Clause
// ibv_rwq_ind_table: the work queues that a hash chooses from. ibv_create_rwq_ind_table(3).
#pragma once

#include <infiniband/verbs.h>

#include <atomic>
#include <vector>

#include "base/export.h"
#include "base/result.h"
#include "verbs/wq.h"

namespace vb {

struct RwqIndTable {
  ibv_rwq_ind_table abi{};
  std::vector<Wq*> queues;
  std::atomic<int> uses{0};  ///< queue pairs

  static RwqIndTable& from(ibv_rwq_ind_table* table) { return *reinterpret_cast<RwqIndTable*>(table); }
};

/// EINVAL: larger than the device says, or a queue of another context.
VB_API Result<RwqIndTable*> create_rwq_ind_table(Context& context, const ibv_rwq_ind_table_init_attr& attr);
VB_API Result<void> destroy_rwq_ind_table(RwqIndTable& table);  ///< EBUSY while queue pairs use it

}  // namespace vb
