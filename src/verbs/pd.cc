// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/pd.h"

#include <memory>

#include "verbs/share.h"
#include "verbs/td.h"

namespace vb {

void* ProgramRings::allocate(size_t size, size_t alignment) {
  void* memory = program->alloc(pd, program->pd_context, size, alignment, static_cast<uint64_t>(kind));
  return memory == IBV_ALLOCATOR_USE_DEFAULT ? &use_heap : memory;
}

void ProgramRings::release(void* memory) {
  program->free(pd, program->pd_context, memory, static_cast<uint64_t>(kind));
}

void PdUses::operator+=(int change) {
  domain_.uses += change;
  if ((own_ += change) == 0) delete &pd_;
}

void PdUses::give_up() {
  if (--own_ == 0) delete &pd_;
}

namespace {

Pd* make(Context& context, std::unique_ptr<Pd> pd, uint32_t handle) {
  pd->abi.context = &context.abi.context;
  pd->abi.handle = handle;
  ++context.uses;
  return pd.release();
}

}  // namespace

Result<Pd*> alloc_pd(Context& context) {
  auto pd = std::make_unique<Pd>();
  uint32_t handle = context.share->add(pd->shared);
  return make(context, std::move(pd), handle);
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
  if (!pd.protection) Context::from(pd.abi.context).share->remove(pd.abi.handle);
  unimport_pd(pd);
  return {};
}

Result<Pd*> import_pd(Context& context, uint32_t handle) {
  auto domain = context.share->find<Domain>(handle);
  if (!domain && !context.share->foreign) return Error{ENOENT};
  auto pd = domain ? std::make_unique<Pd>(std::move(domain)) : std::make_unique<Pd>();
  return make(context, std::move(pd), handle);
}

void unimport_pd(Pd& pd) {
  Context& context = Context::from(pd.abi.context);
  pd.uses.give_up();
  release(context);
}

}  // namespace vb
