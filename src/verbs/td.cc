// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/td.h"

namespace vb {

Result<Td*> alloc_td(Context& context, const ibv_td_init_attr& attr) {
  if (attr.comp_mask != 0) return Error{EINVAL};
  auto* td = new Td;
  td->abi.context = &context.abi.context;
  ++context.uses;
  return td;
}

Result<void> dealloc_td(Td& td) {
  if (td.uses.load() != 0) return Error{EBUSY};
  release(Context::from(td.abi.context));
  delete &td;
  return {};
}

}  // namespace vb
