// SPDX-License-Identifier: BSD-2-Clause
// Memory regions and windows.
#include "verbs/mr.h"

#include <sys/mman.h>

#include "exp/dm.h"
#include "exp/door.h"
#include "transport/engine.h"

namespace vb::exp {

Result<unsigned> access_of(uint64_t exp_access) {
  constexpr uint64_t kBasic = IBV_EXP_ACCESS_LOCAL_WRITE | IBV_EXP_ACCESS_REMOTE_WRITE | IBV_EXP_ACCESS_REMOTE_READ |
                              IBV_EXP_ACCESS_REMOTE_ATOMIC | IBV_EXP_ACCESS_MW_BIND;
  constexpr uint64_t kShared = IBV_EXP_ACCESS_SHARED_MR_USER_READ | IBV_EXP_ACCESS_SHARED_MR_USER_WRITE |
                               IBV_EXP_ACCESS_SHARED_MR_GROUP_READ | IBV_EXP_ACCESS_SHARED_MR_GROUP_WRITE |
                               IBV_EXP_ACCESS_SHARED_MR_OTHER_READ | IBV_EXP_ACCESS_SHARED_MR_OTHER_WRITE;
  if (exp_access & (kShared | IBV_EXP_ACCESS_TUNNELED_ATOMIC)) return refuse<"a region shared between processes">();
  auto access = static_cast<unsigned>(exp_access & kBasic);
  if (exp_access & (IBV_EXP_ACCESS_ON_DEMAND | IBV_EXP_ACCESS_PHYSICAL_ADDR)) access |= IBV_ACCESS_ON_DEMAND;
  if (exp_access & IBV_EXP_ACCESS_MW_ZERO_BASED) access |= IBV_ACCESS_ZERO_BASED;
  if (exp_access & IBV_EXP_ACCESS_RELAXED) access |= IBV_ACCESS_RELAXED_ORDERING;
  return access;
}

namespace {

/// Memory that is the region's own: the caller gave no address (IBV_EXP_ACCESS_ALLOCATE_MR), it goes with the region.
Result<Mr*> allocate_mr(Pd& pd, size_t length, unsigned access) {
  if (length == 0) return Error{EINVAL};
  void* at = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return Error{ENOMEM};
  std::shared_ptr<void> memory(at, [length](void* mapping) { munmap(mapping, length); });
  auto mr = reg_mr(pd, at, length, reinterpret_cast<uint64_t>(at), access);
  if (!mr) return mr;
  auto guard = engine().lane.hold();
  (*mr)->region().backing = std::move(memory);
  return mr;
}

Result<Mr*> register_in(const ibv_exp_reg_mr_in& in) {
  constexpr uint32_t kKnown = IBV_EXP_REG_MR_RESERVED - 1;
  if ((in.comp_mask & ~kKnown) || in.exp_access >= IBV_EXP_ACCESS_RESERVED) return Error{EINVAL};
  auto access = access_of(in.exp_access);
  if (!access) return Error{access.error()};
  Pd& pd = Pd::from(in.pd);
  const auto address = reinterpret_cast<uint64_t>(in.addr);
  if (in.comp_mask & IBV_EXP_REG_MR_DM) {
    return reg_dm_mr(pd, ExpDm::from(in.dm).real(), address, in.length, *access | IBV_ACCESS_ZERO_BASED);
  }
  // Of physical memory a process has none but what it maps: the key is for its whole address space.
  if (in.exp_access & IBV_EXP_ACCESS_PHYSICAL_ADDR) return reg_mr(pd, nullptr, SIZE_MAX, 0, *access);
  const bool contiguous =
      (in.comp_mask & IBV_EXP_REG_MR_CREATE_FLAGS) && (in.create_flags & IBV_EXP_REG_MR_CREATE_CONTIG);
  if (!in.addr && ((in.exp_access & IBV_EXP_ACCESS_ALLOCATE_MR) || contiguous))
    return allocate_mr(pd, in.length, *access);
  return reg_mr(pd, in.addr, in.length, address, *access);
}

ibv_mr* register_mr(ibv_exp_reg_mr_in* in) {
  return pointer_entry([&] { return register_in(*in); });
}

int prefetch(ibv_mr* mr, ibv_exp_prefetch_attr* attr) {
  if (attr->comp_mask || (attr->flags & ~uint32_t{IBV_EXP_PREFETCH_WRITE_ACCESS})) return EINVAL;
  if (attr->length > UINT32_MAX) return EINVAL;
  const auto advice = attr->flags ? IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE : IBV_ADVISE_MR_ADVICE_PREFETCH;
  const ibv_sge range{reinterpret_cast<uint64_t>(attr->addr), static_cast<uint32_t>(attr->length), mr->lkey};
  return errno_entry([&] { return advise_mr(Pd::from(mr->pd), advice, 0, &range, 1); });
}

int bind_window(ibv_exp_mw_bind* bind) {
  if (bind->comp_mask) return EINVAL;
  auto access = access_of(bind->bind_info.exp_mw_access_flags);
  if (!access) return access.error();
  ibv_mw_bind now{};
  now.wr_id = bind->wr_id;
  now.send_flags = static_cast<unsigned>(bind->exp_send_flags);
  now.bind_info = {bind->bind_info.mr, bind->bind_info.addr, bind->bind_info.length, *access};
  return bind_mw(Qp::from(bind->qp), *bind->mw, now);
}

}  // namespace

void overlay_regions(verbs_context_exp& table) {
  table.drv_exp_reg_mr = table.lib_exp_reg_mr = register_mr;
  table.drv_exp_prefetch_mr = table.lib_exp_prefetch_mr = prefetch;
  table.drv_exp_bind_mw = table.lib_exp_bind_mw = bind_window;
}

}  // namespace vb::exp
