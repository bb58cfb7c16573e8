// SPDX-License-Identifier: BSD-2-Clause
// Thread domains and parent domains: slots of verbs_context.
#include "door.h"

namespace vb::door {
namespace {

ibv_td* table_alloc_td(ibv_context* context, ibv_td_init_attr* attr) {
  return pointer_entry([&] { return alloc_td(Context::from(context), *attr); });
}

int table_dealloc_td(ibv_td* td) {
  return errno_entry([&] { return dealloc_td(Td::from(td)); });
}

ibv_pd* table_alloc_parent_domain(ibv_context* context, ibv_parent_domain_init_attr* attr) {
  return pointer_entry([&] { return alloc_parent_domain(Context::from(context), *attr); });
}

}  // namespace

void overlay_domains(verbs_context& table) {
  table.alloc_td = table_alloc_td;
  table.dealloc_td = table_dealloc_td;
  table.alloc_parent_domain = table_alloc_parent_domain;
}

}  // namespace vb::door
