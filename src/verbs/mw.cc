// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/mw.h"

#include <memory>

#include "transport/engine.h"
#include "transport/window.h"

namespace vb {

Result<Mw*> alloc_mw(Pd& pd, ibv_mw_type type) {
  if (type != IBV_MW_TYPE_1 && type != IBV_MW_TYPE_2) return Error{EINVAL};
  auto mw = std::make_unique<Mw>();
  mw->window.pd = pd.domain;
  mw->window.type = type == IBV_MW_TYPE_1 ? 1 : 2;
  {
    auto guard = engine().lane.hold();
    if (!engine().lane.memory.add(mw->window)) return Error{ENOMEM};
  }
  ++pd.uses;
  mw->abi.context = pd.abi.context;
  mw->abi.pd = &pd.abi;
  mw->abi.rkey = mw->window.key;
  mw->abi.handle = mw->window.key >> 8;
  mw->abi.type = type;
  return mw.release();
}

Result<void> dealloc_mw(Mw& mw) {
  Lane& lane = engine().lane;
  auto guard = lane.hold();
  lane.memory.remove(mw.window);
  unbind(mw.window);
  lane.wait(
      guard, [&] { return mw.window.users == 0; }, [&] { lane.cut_off(&mw.window); });
  guard.unlock();
  --Pd::from(mw.abi.pd).uses;
  delete &mw;
  return {};
}

}  // namespace vb
