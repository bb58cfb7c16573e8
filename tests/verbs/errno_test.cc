// SPDX-License-Identifier: BSD-2-Clause
// What each verb returns for an error of the program: the errno of its manual page's RETURN VALUE section, by the
// convention of that page (the value itself, NULL and errno, or -1 and errno). Most pages say "the value of errno" and
// leave open which: then it is what the kernel's uverbs give for an argument that is out of range (EINVAL), for an
// object that is still in use (EBUSY), for a queue that is full (ENOMEM) and for what a device does not offer
// (EOPNOTSUPP).
#include <fcntl.h>

#include "support/errno_program.h"
#include "support/missing.h"

namespace vt {
namespace {

ibv_qp_attr state_attr(ibv_qp_state state) {
  ibv_qp_attr attr{};
  attr.qp_state = state;
  attr.port_num = kPort;
  return attr;
}

constexpr int kInit = IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS;

template <class Make>
int nonblocking(int fd, Make get) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return Program::minus_one(get());
}

const ErrnoRow kRows[] = {
    // --- queries
    {"ibv_query_port_port_0",
     [](Program& p) {
       ibv_port_attr attr;
       return ibv_query_port(p.context, 0, &attr);
     },
     EINVAL},
    {"ibv_query_port_port_2",
     [](Program& p) {
       ibv_port_attr attr;
       return ibv_query_port(p.context, 2, &attr);
     },
     EINVAL},
    {"ibv_query_gid_ex_index_beyond_the_table",
     [](Program& p) {
       ibv_gid_entry entry;
       return ibv_query_gid_ex(p.context, kPort, 100000, &entry, 0);
     },
     EINVAL},
    {"ibv_query_gid_ex_port_2",
     [](Program& p) {
       ibv_gid_entry entry;
       return ibv_query_gid_ex(p.context, 2, 0, &entry, 0);
     },
     EINVAL},
    {"ibv_query_gid_ex_flags",
     [](Program& p) {
       ibv_gid_entry entry;
       return ibv_query_gid_ex(p.context, kPort, 0, &entry, 1);
     },
     EINVAL},
    {"ibv_query_gid_ex_empty_entry",
     [](Program& p) {
       ibv_port_attr attr{};
       ibv_query_port(p.context, kPort, &attr);
       ibv_gid_entry entry;
       return ibv_query_gid_ex(p.context, kPort, static_cast<uint32_t>(attr.gid_tbl_len) - 1, &entry, 0);
     },
     ENODATA},
    {"ibv_query_gid_table_too_small",
     [](Program& p) {
       ibv_gid_entry entry;
       return static_cast<int>(-ibv_query_gid_table(p.context, &entry, 1, 0));
     },
     EINVAL},
    {"ibv_query_gid_table_flags",
     [](Program& p) {
       ibv_gid_entry entries[256];
       return static_cast<int>(-ibv_query_gid_table(p.context, entries, 256, 1));
     },
     EINVAL},
    {"ibv_query_device_ex_comp_mask",
     [](Program& p) {
       ibv_query_device_ex_input input{.comp_mask = 1};
       ibv_device_attr_ex attr{};
       return ibv_query_device_ex(p.context, &input, &attr);
     },
     EINVAL},

    // --- protection domains and memory
    {"ibv_dealloc_pd_in_use", [](Program& p) { return ibv_dealloc_pd(p.pd); }, EBUSY},
    {"ibv_reg_mr_remote_write_without_local",
     [](Program& p) { return p.reg_mr(p.memory, 64, IBV_ACCESS_REMOTE_WRITE); }, EINVAL},
    {"ibv_reg_mr_remote_atomic_without_local",
     [](Program& p) { return p.reg_mr(p.memory, 64, IBV_ACCESS_REMOTE_ATOMIC); }, EINVAL},
    {"ibv_reg_mr_length_that_wraps", [](Program& p) { return p.reg_mr(p.memory, ~size_t{0}, IBV_ACCESS_LOCAL_WRITE); },
     EINVAL, EINVAL},

    {"ibv_reg_dmabuf_mr_no_descriptor", [](Program& p) { return p.reg_dmabuf_mr(-1, IBV_ACCESS_LOCAL_WRITE); }, EBADF},
    {"ibv_reg_dmabuf_mr_not_a_dma_buf",
     [](Program& p) { return p.reg_dmabuf_mr(p.context->async_fd, IBV_ACCESS_LOCAL_WRITE); }, EINVAL},
    {"ibv_reg_dmabuf_mr_access_of_on_demand_memory",
     [](Program& p) { return p.reg_dmabuf_mr(-1, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_ON_DEMAND); }, EINVAL},

    // --- completion queues
    {"ibv_create_cq_no_entries", [](Program& p) { return p.create_cq(0); }, EINVAL},
    {"ibv_create_cq_too_many_entries", [](Program& p) { return p.create_cq(p.limits.max_cqe + 1); }, EINVAL},
    {"ibv_create_cq_vector_beyond_the_last", [](Program& p) { return p.create_cq(1, p.context->num_comp_vectors); },
     EINVAL},
    {"ibv_destroy_cq_in_use", [](Program& p) { return ibv_destroy_cq(p.end.send_cq()); }, EBUSY},
    {"ibv_destroy_comp_channel_in_use", [](Program& p) { return ibv_destroy_comp_channel(p.end.channel()); }, EBUSY},
    {"ibv_get_cq_event_none",
     [](Program& p) {
       ibv_cq* cq;
       void* cookie;
       return nonblocking(p.end.channel()->fd, [&] { return ibv_get_cq_event(p.end.channel(), &cq, &cookie); });
     },
     EAGAIN},
    {"ibv_get_async_event_none",
     [](Program& p) {
       ibv_async_event event;
       return nonblocking(p.context->async_fd, [&] { return ibv_get_async_event(p.context, &event); });
     },
     EAGAIN},
    {"ibv_create_cq_ex_comp_mask",
     [](Program& p) {
       ibv_cq_init_attr_ex attr{};
       attr.cqe = 1;
       attr.comp_mask = 1u << 30;
       return Program::made([&] { return ibv_create_cq_ex(p.context, &attr); },
                            [](ibv_cq_ex* cq) { return ibv_destroy_cq(ibv_cq_ex_to_cq(cq)); });
     },
     EINVAL, kLeftAlone},
    {"ibv_create_cq_ex_wc_flags",
     [](Program& p) {
       ibv_cq_init_attr_ex attr{};
       attr.cqe = 1;
       attr.wc_flags = uint64_t{1} << 40;
       return Program::made([&] { return ibv_create_cq_ex(p.context, &attr); },
                            [](ibv_cq_ex* cq) { return ibv_destroy_cq(ibv_cq_ex_to_cq(cq)); });
     },
     EOPNOTSUPP},
    {"ibv_start_poll_none",
     [](Program& p) {
       ibv_cq_init_attr_ex attr{};
       attr.cqe = 1;
       ibv_cq_ex* cq = ibv_create_cq_ex(p.context, &attr);
       if (!cq) return errno;
       ibv_poll_cq_attr poll{};
       const int result = ibv_start_poll(cq, &poll);
       ibv_destroy_cq(ibv_cq_ex_to_cq(cq));
       return result;
     },
     ENOENT},

    // --- shared receive queues
    {"ibv_create_srq_too_deep",
     [](Program& p) { return p.create_srq(static_cast<uint32_t>(p.limits.max_srq_wr) + 1, 1); }, EINVAL},
    {"ibv_create_srq_too_many_sges",
     [](Program& p) { return p.create_srq(1, static_cast<uint32_t>(p.limits.max_srq_sge) + 1); }, EINVAL},

    // --- queue pairs
    {"ibv_create_qp_send_queue_too_deep",
     [](Program& p) {
       return p.create_qp({static_cast<uint32_t>(p.limits.max_qp_wr) + 1, 1, 1, 1, 0});
     },
     EINVAL},
    {"ibv_create_qp_receive_queue_too_deep",
     [](Program& p) {
       return p.create_qp({1, static_cast<uint32_t>(p.limits.max_qp_wr) + 1, 1, 1, 0});
     },
     EINVAL},
    {"ibv_create_qp_too_many_sges",
     [](Program& p) {
       return p.create_qp({1, 1, static_cast<uint32_t>(p.limits.max_sge) + 1, 1, 0});
     },
     EINVAL},
    {"ibv_create_qp_too_much_inline",
     [](Program& p) {
       return p.create_qp({1, 1, 1, 1, 1 << 30});
     },
     EINVAL},
    {"ibv_modify_qp_reset_to_rts", [](Program& p) { return p.modify(state_attr(IBV_QPS_RTS), IBV_QP_STATE); }, EINVAL},
    {"ibv_modify_qp_attribute_missing", [](Program& p) { return p.modify(state_attr(IBV_QPS_INIT), IBV_QP_STATE); },
     EINVAL},
    {"ibv_modify_qp_attribute_too_many",
     [](Program& p) { return p.modify(state_attr(IBV_QPS_INIT), kInit | IBV_QP_RQ_PSN); }, EINVAL},
    {"ibv_modify_qp_port_2",
     [](Program& p) {
       ibv_qp_attr attr = state_attr(IBV_QPS_INIT);
       attr.port_num = 2;
       return p.modify(attr, kInit);
     },
     EINVAL},

    // --- posting
    {"ibv_post_send_in_reset", [](Program& p) { return p.post_sends(1); }, EINVAL},
    {"ibv_post_send_in_init",
     [](Program& p) {
       p.to_init();
       return p.post_sends(1);
     },
     EINVAL},
    {"ibv_post_send_too_many_sges",
     [](Program& p) {
       p.to_rts();
       ibv_qp_attr attr{};
       ibv_qp_init_attr init{};
       ibv_query_qp(p.qp, &attr, IBV_QP_CAP, &init);
       return p.post_sends(1, static_cast<int>(init.cap.max_send_sge) + 1);
     },
     EINVAL},
    {"ibv_post_send_queue_full",
     [](Program& p) {
       p.to_rts();
       return p.post_sends(4096);
     },
     ENOMEM},
    {"ibv_post_recv_in_reset", [](Program& p) { return p.post_recvs(1); }, EINVAL},
    {"ibv_post_recv_too_many_sges",
     [](Program& p) {
       p.to_init();
       ibv_qp_attr attr{};
       ibv_qp_init_attr init{};
       ibv_query_qp(p.qp, &attr, IBV_QP_CAP, &init);
       return p.post_recvs(1, static_cast<int>(init.cap.max_recv_sge) + 1);
     },
     EINVAL},
    {"ibv_post_recv_queue_full",
     [](Program& p) {
       p.to_init();
       return p.post_recvs(4096);
     },
     ENOMEM},
};

TEST_P(ErrnoTest, IsWhatTheManualSays) {
  const ErrnoRow& row = GetParam();
  Program program;
  const int wanted = device_is_rxe() && row.rxe != kAsWanted ? row.rxe : row.wanted;
  const int given = row.call(program);
  if (given == EOPNOTSUPP && wanted != EOPNOTSUPP) SKIP_ON_OTHERS("the device does not offer it");
  EXPECT_EQ(given, wanted) << strerror(given) << " instead of " << strerror(wanted);
}

INSTANTIATE_TEST_SUITE_P(All, ErrnoTest, testing::ValuesIn(kRows), errno_row_name);

}  // namespace
}  // namespace vt
