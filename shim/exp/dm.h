// SPDX-License-Identifier: BSD-2-Clause
// Device memory as the programs of the era see it.
#pragma once

#include "exp/door.h"
#include "verbs/dm.h"

namespace vb::exp {

struct ExpDm {
  ibv_exp_dm abi{};
  Dm* dm = nullptr;

  Dm& real() { return *dm; }
  static ExpDm& from(ibv_exp_dm* dm) { return *reinterpret_cast<ExpDm*>(dm); }
};

inline ibv_exp_dm* handle(ExpDm& dm) { return &dm.abi; }

}  // namespace vb::exp
