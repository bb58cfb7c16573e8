// SPDX-License-Identifier: BSD-2-Clause
// Work queues and their indirection tables: slots of verbs_context, and ibv_wq.post_recv.
#include "verbs/wq.h"

#include "door.h"
#include "verbs/rwq_ind_table.h"

namespace vb::door {
namespace {

int post(ibv_wq* wq, ibv_recv_wr* wr, ibv_recv_wr** bad_wr) { return post_wq_recv(Wq::from(wq), wr, bad_wr); }

ibv_wq* table_create_wq(ibv_context* context, ibv_wq_init_attr* attr) {
  ibv_wq* wq = pointer_entry([&] { return create_wq(Context::from(context), *attr); });
  if (wq) wq->post_recv = post;
  return wq;
}

int table_modify_wq(ibv_wq* wq, ibv_wq_attr* attr) {
  return errno_entry([&] { return modify_wq(Wq::from(wq), *attr); });
}

int table_destroy_wq(ibv_wq* wq) {
  return errno_entry([&] { return destroy_wq(Wq::from(wq)); });
}

ibv_rwq_ind_table* table_create_rwq_ind_table(ibv_context* context, ibv_rwq_ind_table_init_attr* attr) {
  return pointer_entry([&] { return create_rwq_ind_table(Context::from(context), *attr); });
}

int table_destroy_rwq_ind_table(ibv_rwq_ind_table* table) {
  return errno_entry([&] { return destroy_rwq_ind_table(RwqIndTable::from(table)); });
}

}  // namespace

void overlay_work_queues(verbs_context& table) {
  table.create_wq = table_create_wq;
  table.modify_wq = table_modify_wq;
  table.destroy_wq = table_destroy_wq;
  table.create_rwq_ind_table = table_create_rwq_ind_table;
  table.destroy_rwq_ind_table = table_destroy_rwq_ind_table;
}

}  // namespace vb::door
