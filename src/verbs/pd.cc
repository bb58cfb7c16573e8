// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/pd.h"

#include <memory>

#include "verbs/td.h"

namespace vb {

void* ProgramRings::allocate(size_t size, size_t alignment) {
  void* memory = program->alloc(pd, program->pd_context, size, alignment, static_cast<uint64_t>(kind));
  return memory == IBV_ALLOCATOR_USE_DEFAULT ? &use_heap : memory;
}

void ProgramRings::release(void* memory) {
  program->free(pd, program->pd_context, memory, static_cast<uint64_t>(kind));
}

Result<Pd*> alloc_pd(Context& context) {
  auto* pd = new Pd;
  pd->abi.context = &context.abi.context;
  ++context.uses;
  return pd;
}

namespace {

Result<void> check(const Context& context, const ibv_parent_domain_init_attr& attr) {
  constexpr uint32_t kKnown = IBV_PARENT_DOMAIN_INIT_ATTR_ALLOCATORS | IBV_PARENT_DOMAIN_INIT_ATTR_PD_CONTEXT;
  if ((attr.comp_mask & ~kKnown) || !attr.pd || attr.pd->context != &context.abi.context) return Error{EINVAL};
  if (attr.td && attr.td->context != &context.abi.context) return Error{EINVAL};
  const bool own_rings = attr.comp_mask & IBV_PARENT_DOMAIN_INIT_ATTR_ALLOCATORS;
  if (own_rings && (!attr.alloc || !attr.free)) return Error{EINVAL};
  return {};
}

}  // namespace

Result<Pd*> alloc_parent_domain(Context& context, const ibv_parent_domain_init_attr& attr) {
  if (auto fine = check(context, attr); !fine) return Error{fine.error()};
  auto* pd = new Pd;
  pd->abi.context = &context.abi.context;
  pd->attr = attr;
  if (!(attr.comp_mask & IBV_PARENT_DOMAIN_INIT_ATTR_PD_CONTEXT)) pd->attr.pd_context = nullptr;
  for (size_t i = 0; i < std::size(pd->rings); ++i) {
    pd->rings[i].pd = &pd->abi;
    pd->rings[i].program = &pd->attr;
    pd->rings[i].kind = static_cast<RingKind>(i + 1);
  }
  pd->protection = &Pd::from(attr.pd);
  pd->domain = pd->protection->domain;
  ++pd->protection->uses;
  pd->td = attr.td ? &Td::from(attr.td) : nullptr;
  if (pd->td) ++pd->td->uses;
  ++context.uses;
  return pd;
}

Result<void> dealloc_pd(Pd& pd) {
  if (pd.uses.load() != 0) return Error{EBUSY};
  if (pd.protection) --pd.protection->uses;
  if (pd.td) --pd.td->uses;
  release(Context::from(pd.abi.context));
  delete &pd;
  return {};
}

}  // namespace vb
