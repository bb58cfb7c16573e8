// SPDX-License-Identifier: BSD-2-Clause
// Memory keys that stand for pieces of regions (UMR).
#include "exp/umr.h"

#include "verbs/indirect_mr.h"

namespace vb::exp {
namespace {

/// Memory for a list that a work request does not bring inline. Here it only says how long a list may be: the list is
/// copied when it is posted.
struct ExpKeyList {
  ibv_exp_mkey_list_container abi{};
  Pd* pd = nullptr;

  static ExpKeyList& from(ibv_exp_mkey_list_container* list) { return *reinterpret_cast<ExpKeyList*>(list); }
};

ibv_exp_mkey_list_container* handle(ExpKeyList& list) { return &list.abi; }

Result<Mr*> create_mr(const ibv_exp_create_mr_in& in) {
  constexpr uint32_t kKinds = IBV_EXP_MR_INDIRECT_KLMS | IBV_EXP_MR_FIXED_BUFFER_SIZE;
  if (in.comp_mask) return Error{EINVAL};
  if (in.attr.create_flags & ~kKinds) return refuse<"a region with signatures">();
  if (!(in.attr.create_flags & kKinds)) return Error{EINVAL};
  return create_indirect_mr(Pd::from(in.pd), in.attr.max_klm_list_size);
}

ibv_mr* create(ibv_exp_create_mr_in* in) {
  return pointer_entry([&] { return create_mr(*in); });
}

int query(ibv_mr* mr, ibv_exp_mkey_attr* attr) {
  if (attr->comp_mask || Mr::from(mr).most_pieces == 0) return EINVAL;
  attr->max_klm_list_size = Mr::from(mr).most_pieces;
  return 0;
}

Result<ExpKeyList*> make_list(const ibv_exp_mkey_list_container_attr& attr) {
  if (attr.comp_mask || attr.mkey_list_type != IBV_EXP_MKEY_LIST_TYPE_INDIRECT_MR) return Error{EINVAL};
  if (attr.max_klm_list_size == 0 || attr.max_klm_list_size > kMaxIndirectBlocks) return Error{EINVAL};
  auto own = std::make_unique<ExpKeyList>();
  own->pd = &Pd::from(attr.pd);
  own->abi = {attr.max_klm_list_size, attr.pd->context};
  ++own->pd->uses;
  return own.release();
}

ibv_exp_mkey_list_container* alloc_list(ibv_exp_mkey_list_container_attr* attr) {
  return pointer_entry([&] { return make_list(*attr); });
}

int dealloc_list(ibv_exp_mkey_list_container* list) {
  ExpKeyList& own = ExpKeyList::from(list);
  --own.pd->uses;
  delete &own;
  return 0;
}

using Umr = decltype(ibv_exp_send_wr::ext_op.umr);

Result<void> list_regions(const Umr& umr, IndirectLayout& layout) {
  const ibv_exp_mem_region* list = umr.mem_list.mem_reg_list;
  if (!list) return Error{EINVAL};
  for (uint32_t i = 0; i < umr.num_mrs; ++i) {
    if (!list[i].mr) return Error{EINVAL};
    if (umr.umr_type == IBV_EXP_UMR_MR_LIST_FIXED_SIZE && list[i].length != list[0].length) return Error{EINVAL};
    layout.blocks.push_back({list[i].base_addr, list[i].length, 0, list[i].mr->lkey});
  }
  return {};
}

Result<void> list_repeated(const Umr& umr, IndirectLayout& layout) {
  const auto& repeated = umr.mem_list.rb;
  const ibv_exp_mem_repeat_block* list = repeated.mem_repeat_block_list;
  if (!list || repeated.stride_dim != 1 || !repeated.repeat_count || repeated.repeat_count[0] == 0)
    return Error{EINVAL};
  layout.repeats = repeated.repeat_count[0];
  for (uint32_t i = 0; i < umr.num_mrs; ++i) {
    if (!list[i].mr || !list[i].byte_count || !list[i].stride) return Error{EINVAL};
    layout.blocks.push_back({list[i].base_addr, list[i].byte_count[0], list[i].stride[0], list[i].mr->lkey});
  }
  return {};
}

/// A list stands in the request, if it is short, or there is memory for it.
bool has_room(const ibv_exp_send_wr& wr) {
  const Umr& umr = wr.ext_op.umr;
  if (wr.exp_send_flags & IBV_EXP_SEND_INLINE) return umr.num_mrs <= kMaxInlineBlocks;
  return umr.memory_objects && umr.num_mrs <= umr.memory_objects->max_klm_list_size;
}

Result<void> describe(const ibv_exp_send_wr& wr, IndirectFill& fill) {
  const Umr& umr = wr.ext_op.umr;
  if (umr.num_mrs == 0 || !has_room(wr)) return Error{EINVAL};
  auto access = access_of(umr.exp_access);
  if (!access) return Error{access.error()};
  fill.access = *access;
  fill.iova = umr.base_addr;
  switch (umr.umr_type) {
    case IBV_EXP_UMR_MR_LIST:
    case IBV_EXP_UMR_MR_LIST_FIXED_SIZE: return list_regions(umr, fill.layout);
    case IBV_EXP_UMR_REPEAT: return list_repeated(umr, fill.layout);
    default: return Error{EINVAL};
  }
}

}  // namespace

int put_umr(Qp& qp, SendWqe& wqe, const ibv_exp_send_wr& wr) {
  return errno_entry([&]() -> Result<void> {
    if (!wr.ext_op.umr.modified_mr) return Error{EINVAL};
    auto fill = std::make_unique<IndirectFill>();
    if (wr.exp_opcode == IBV_EXP_WR_UMR_FILL) {
      if (auto described = describe(wr, *fill); !described) return described;
    }
    const int error = put_fill(qp, wqe, head_of(wr), Mr::from(wr.ext_op.umr.modified_mr), std::move(fill));
    return error ? Result<void>(Error{error}) : Result<void>();
  });
}

void overlay_umr(verbs_context_exp& table) {
  table.drv_exp_create_mr = table.lib_exp_create_mr = create;
  table.drv_exp_query_mkey = table.lib_exp_query_mkey = query;
  table.drv_exp_alloc_mkey_list_memory = table.lib_exp_alloc_mkey_list_memory = alloc_list;
  table.drv_exp_dealloc_mkey_list_memory = table.lib_exp_dealloc_mkey_list_memory = dealloc_list;
}

}  // namespace vb::exp
