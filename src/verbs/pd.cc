// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/pd.h"

namespace vb {

Result<Pd*> alloc_pd(Context& context) {
  auto* pd = new Pd;
  pd->abi.context = &context.abi.context;
  ++context.uses;
  return pd;
}

Result<void> dealloc_pd(Pd& pd) {
  if (pd.uses.load() != 0) return Error{EBUSY};
  release(Context::from(pd.abi.context));
  delete &pd;
  return {};
}

}  // namespace vb
