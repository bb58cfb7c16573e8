// SPDX-License-Identifier: BSD-2-Clause
// Receive work queues and indirection tables as the programs of the era see them.
#pragma once

#include "exp/door.h"

namespace vb::exp {

struct ExpWq {
  ibv_exp_wq abi{};
  ibv_wq* real = nullptr;
  std::shared_ptr<void> holds;  ///< a resource domain

  static ExpWq& from(ibv_exp_wq* wq) { return *reinterpret_cast<ExpWq*>(wq); }
};

struct ExpTable {
  ibv_exp_rwq_ind_table abi{};
  ibv_rwq_ind_table* real = nullptr;

  static ExpTable& from(ibv_exp_rwq_ind_table* table) { return *reinterpret_cast<ExpTable*>(table); }
};

inline ibv_exp_wq* handle(ExpWq& wq) { return &wq.abi; }
inline ibv_exp_rwq_ind_table* handle(ExpTable& table) { return &table.abi; }

}  // namespace vb::exp
