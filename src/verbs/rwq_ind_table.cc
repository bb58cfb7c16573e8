// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/rwq_ind_table.h"

#include <memory>

#include "verbs/limits.h"

namespace vb {

Result<RwqIndTable*> create_rwq_ind_table(Context& context, const ibv_rwq_ind_table_init_attr& attr) {
  if (attr.comp_mask != 0 || attr.log_ind_tbl_size > kLogMaxRwqIndTable || !attr.ind_tbl) return Error{EINVAL};
  auto table = std::make_unique<RwqIndTable>();
  for (size_t i = 0; i < size_t{1} << attr.log_ind_tbl_size; ++i) {
    if (!attr.ind_tbl[i] || attr.ind_tbl[i]->context != &context.abi.context) return Error{EINVAL};
    table->queues.push_back(&Wq::from(attr.ind_tbl[i]));
  }
  static std::atomic<int> numbers{1};
  table->abi.context = &context.abi.context;
  table->abi.ind_tbl_handle = table->abi.ind_tbl_num = numbers++;
  for (Wq* wq : table->queues) ++wq->uses;
  ++context.uses;
  return table.release();
}

Result<void> destroy_rwq_ind_table(RwqIndTable& table) {
  if (table.uses.load() != 0) return Error{EBUSY};
  for (Wq* wq : table.queues) --wq->uses;
  release(Context::from(table.abi.context));
  delete &table;
  return {};
}

}  // namespace vb
