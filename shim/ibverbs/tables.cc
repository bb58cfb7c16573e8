// SPDX-License-Identifier: BSD-2-Clause
// ibv_context.ops and verbs_context. ibv_post_send, ibv_poll_cq and many more are inline functions of the program that
// call through these tables: this is where the data path enters.
#include "door.h"
#include "verbs/raw_qp.h"

namespace vb::door {
namespace {

int table_poll_cq(ibv_cq* cq, int count, ibv_wc* wc) { return poll_cq(Cq::from(cq), count, wc); }

int table_req_notify_cq(ibv_cq* cq, int solicited_only) {
  req_notify_cq(Cq::from(cq), solicited_only != 0);
  return 0;
}

int table_post_send(ibv_qp* qp, ibv_send_wr* wr, ibv_send_wr** bad_wr) { return post_send(Qp::from(qp), wr, bad_wr); }
int table_post_recv(ibv_qp* qp, ibv_recv_wr* wr, ibv_recv_wr** bad_wr) { return post_recv(Qp::from(qp), wr, bad_wr); }

int table_post_srq_recv(ibv_srq* srq, ibv_recv_wr* wr, ibv_recv_wr** bad_wr) {
  return post_srq_recv(Srq::from(srq), wr, bad_wr);
}

int table_query_port(ibv_context* context, uint8_t port, ibv_port_attr* attr, size_t size) {
  return errno_entry([&] { return query_port(context, port, attr, size); });
}

int table_query_device_ex(ibv_context* context, const ibv_query_device_ex_input* input, ibv_device_attr_ex* attr,
                          size_t size) {
  return errno_entry([&] { return query_device_ex(context, input, attr, size); });
}

int table_query_rt_values(ibv_context* context, ibv_values_ex* values) {
  return errno_entry([&] { return query_rt_values(context, *values); });
}

ibv_cq_ex* table_create_cq_ex(ibv_context* context, ibv_cq_init_attr_ex* attr) {
  ibv_cq* cq = pointer_entry([&] { return create_cq(Context::from(context), *attr); });
  if (!cq) return nullptr;
  fill_accessors(Cq::from(cq));
  return &Cq::from(cq).abi;
}

int table_modify_cq(ibv_cq* cq, ibv_modify_cq_attr* attr) {
  return errno_entry([&] { return modify_cq(Cq::from(cq), *attr); });
}

ibv_qp* table_create_qp_ex(ibv_context* context, ibv_qp_init_attr_ex* attr) {
  ibv_qp* qp = pointer_entry([&] { return create_qp_ex(Context::from(context), *attr); });
  if (qp) fill_builders(Qp::from(qp));
  return qp;
}

int table_modify_qp_rate_limit(ibv_qp* qp, ibv_qp_rate_limit_attr* attr) {
  return errno_entry([&] { return modify_qp_rate_limit(Qp::from(qp), *attr); });
}

ibv_srq* table_create_srq_ex(ibv_context* context, ibv_srq_init_attr_ex* attr) {
  return pointer_entry([&] { return create_srq_ex(Context::from(context), *attr); });
}

int table_get_srq_num(ibv_srq* srq, uint32_t* number) {
  *number = Srq::from(srq).queue.number;
  return 0;
}

int table_post_srq_ops(ibv_srq* srq, ibv_ops_wr* wr, ibv_ops_wr** bad_wr) {
  return post_srq_ops(Srq::from(srq), wr, bad_wr);
}

ibv_xrcd* table_open_xrcd(ibv_context* context, ibv_xrcd_init_attr* attr) {
  return pointer_entry([&] { return open_xrcd(Context::from(context), *attr); });
}

int table_close_xrcd(ibv_xrcd* xrcd) {
  return errno_entry([&] { return close_xrcd(Xrcd::from(xrcd)); });
}

ibv_qp* table_open_qp(ibv_context* context, ibv_qp_open_attr* attr) {
  return pointer_entry([&] { return open_qp(Context::from(context), *attr); });
}

void start_unsupported(Context& context) {
  verbs_context& table = context.abi;
  [[maybe_unused]] ibv_context_ops& ops = table.context.ops;
#define VB_OPS_SLOT(name, status, note) set_unsupported<"ibv_context.ops." #name>(ops.name);
#define VB_CONTEXT_SLOT(name, status, note) set_unsupported<"verbs_context." #name>(table.name);
#define VB_NEWER_SLOT(name, status, note) set_unsupported<"verbs_context." #name>(context.newer.name);
#include "abi/slots.def"
}

void overlay_ops(ibv_context_ops& ops) {
  ops.poll_cq = table_poll_cq;
  ops.req_notify_cq = table_req_notify_cq;
  ops.post_send = table_post_send;
  ops.post_recv = table_post_recv;
  ops.post_srq_recv = table_post_srq_recv;
}

void overlay_context(verbs_context& table) {
  table.modify_qp_rate_limit = table_modify_qp_rate_limit;
  table.query_port = table_query_port;
  table.query_device_ex = table_query_device_ex;
  table.query_rt_values = table_query_rt_values;
  table.create_cq_ex = table_create_cq_ex;
  table.modify_cq = table_modify_cq;
  table.create_qp_ex = table_create_qp_ex;
  table.create_srq_ex = table_create_srq_ex;
  table.get_srq_num = table_get_srq_num;
  table.post_srq_ops = table_post_srq_ops;
  table.open_xrcd = table_open_xrcd;
  table.close_xrcd = table_close_xrcd;
  table.open_qp = table_open_qp;
}

void overlay_newer(NewerSlots& slots) {
  slots.free_buf = ibv_free_buf;
  slots.alloc_buf = ibv_alloc_buf;
  slots.dm_export_dmabuf_fd = ibv_dm_export_dmabuf_fd;
  slots.reg_mr_ex = ibv_reg_mr_ex;
  slots.dealloc_dmah = ibv_dealloc_dmah;
  slots.alloc_dmah = ibv_alloc_dmah;
}

}  // namespace

void fill_tables(Context& context) {
  start_unsupported(context);
  overlay_ops(context.abi.context.ops);
  overlay_older(context.abi.context.ops);
  overlay_windows(context.abi.context.ops);
  overlay_regions(context.abi);
  overlay_device_memory(context.abi);
  overlay_context(context.abi);
  overlay_domains(context.abi);
  overlay_newer(context.newer);
  overlay_counters(context.abi);
  overlay_flows(context.abi);
  overlay_work_queues(context.abi);
  context.abi.context.abi_compat = __VERBS_ABI_IS_EXTENDED;
  context.abi.sz = kVerbsContextSize;
  fill_experimental(context);
}

}  // namespace vb::door
