// SPDX-License-Identifier: BSD-2-Clause
// As errno_test.cc, for what not every device has: address handles, multicast, memory windows, device memory, domains,
// counters, flows, and so on. A device that offers none of a kind says so by EOPNOTSUPP, and the row is skipped.
#include "support/errno_program.h"

namespace vt {
namespace {

ibv_ah_attr ah_to_self(Program& p, uint8_t port) {
  ibv_ah_attr attr{};
  attr.is_global = 1;
  attr.grh.dgid = p.end.address(0).gid;
  attr.grh.sgid_index = static_cast<uint8_t>(gid_index(p.context));
  attr.grh.hop_limit = 64;
  attr.port_num = port;
  return attr;
}

int create_ah(Program& p, ibv_ah_attr attr) {
  return Program::made([&] { return ibv_create_ah(p.pd, &attr); }, ibv_destroy_ah);
}

// Calls with a registered page and an object of its own.
template <class Call>
int with_mr(Program& p, int access, Call call) {
  ibv_mr* mr = ibv_reg_mr(p.pd, p.memory, sizeof p.memory, access);
  if (!mr) return errno;
  const int result = call(mr);
  ibv_dereg_mr(mr);
  return result;
}

template <class Call>
int with_mw(Program& p, ibv_mw_type type, Call call) {
  ibv_mw* mw = ibv_alloc_mw(p.pd, type);
  if (!mw) return errno;
  const int result = call(mw);
  ibv_dealloc_mw(mw);
  return result;
}

template <class Call>
int with_dm(Program& p, size_t length, Call call) {
  ibv_alloc_dm_attr attr{.length = length, .log_align_req = 0, .comp_mask = 0};
  ibv_dm* dm = ibv_alloc_dm(p.context, &attr);
  if (!dm) return errno;
  const int result = call(dm);
  ibv_free_dm(dm);
  return result;
}

int bind(Program& p, ibv_mw* mw, ibv_mw_bind_info info) {
  ibv_mw_bind request{};
  request.send_flags = IBV_SEND_SIGNALED;
  request.bind_info = info;
  return ibv_bind_mw(p.qp, mw, &request);
}

template <class Call>
int with_srq(Program& p, Call call) {
  ibv_srq_init_attr attr{.srq_context = nullptr, .attr = {8, 1, 0}};
  ibv_srq* srq = ibv_create_srq(p.pd, &attr);
  if (!srq) return errno;
  const int result = call(srq);
  ibv_destroy_srq(srq);
  return result;
}

int rereg(ibv_mr* mr, int flags, ibv_pd* pd, void* address, size_t length, int access) {
  return -ibv_rereg_mr(mr, flags, pd, address, length, access);
}

int resize(Program& p, int cqe) { return ibv_resize_cq(p.end.send_cq(), cqe); }

const ErrnoRow kRows[] = {
    // --- address handles, multicast
    {"ibv_create_ah_port_2", [](Program& p) { return create_ah(p, ah_to_self(p, 2)); }, EINVAL},
    {"ibv_create_ah_gid_index_beyond_the_table",
     [](Program& p) {
       ibv_ah_attr attr = ah_to_self(p, kPort);
       attr.grh.sgid_index = 255;
       return create_ah(p, attr);
     },
     EINVAL, ENODATA},
    {"ibv_create_ah_without_grh",
     [](Program& p) {
       ibv_ah_attr attr = ah_to_self(p, kPort);
       attr.is_global = 0;
       return create_ah(p, attr);
     },
     EINVAL},
    {"ibv_attach_mcast_a_connected_qp",
     [](Program& p) {
       ibv_gid group{};
       group.raw[0] = 0xff;
       group.raw[1] = 0x0e;
       return ibv_attach_mcast(p.qp, &group, 0xc001);
     },
     EINVAL},

    // --- memory
    {"ibv_rereg_mr_flags",
     [](Program& p) {
       return with_mr(p, kAllAccess, [&](ibv_mr* mr) { return rereg(mr, 1 << 20, nullptr, nullptr, 0, 0); });
     },
     -IBV_REREG_MR_ERR_INPUT},
    {"ibv_rereg_mr_no_pd",
     [](Program& p) {
       return with_mr(p, kAllAccess,
                      [&](ibv_mr* mr) { return rereg(mr, IBV_REREG_MR_CHANGE_PD, nullptr, nullptr, 0, 0); });
     },
     -IBV_REREG_MR_ERR_INPUT, -IBV_REREG_MR_ERR_CMD},
    {"ibv_rereg_mr_no_address",
     [](Program& p) {
       return with_mr(p, kAllAccess,
                      [&](ibv_mr* mr) { return rereg(mr, IBV_REREG_MR_CHANGE_TRANSLATION, nullptr, nullptr, 0, 0); });
     },
     -IBV_REREG_MR_ERR_INPUT},
    {"ibv_dereg_mr_with_a_window_bound",
     [](Program& p) {
       return with_mr(p, kAllAccess | IBV_ACCESS_MW_BIND, [&](ibv_mr* mr) {
         return with_mw(p, IBV_MW_TYPE_1, [&](ibv_mw* mw) {
           p.to_rts();
           const int bound = bind(p, mw,
                                  {.mr = mr,
                                   .addr = reinterpret_cast<uint64_t>(p.memory),
                                   .length = 64,
                                   .mw_access_flags = IBV_ACCESS_REMOTE_WRITE});
           if (bound) return bound;
           wait_cq(p.end.send_cq(), 1, Deadline());
           return ibv_dereg_mr(mr);
         });
       });
     },
     EBUSY, EINVAL},
    {"ibv_alloc_mw_type_3",
     [](Program& p) {
       return Program::made([&] { return ibv_alloc_mw(p.pd, static_cast<ibv_mw_type>(3)); }, ibv_dealloc_mw);
     },
     EINVAL},
    {"ibv_bind_mw_type_2",
     [](Program& p) {
       return with_mr(p, kAllAccess | IBV_ACCESS_MW_BIND, [&](ibv_mr* mr) {
         return with_mw(p, IBV_MW_TYPE_2, [&](ibv_mw* mw) {
           p.to_rts();
           return bind(p, mw,
                       {.mr = mr,
                        .addr = reinterpret_cast<uint64_t>(p.memory),
                        .length = 64,
                        .mw_access_flags = IBV_ACCESS_REMOTE_WRITE});
         });
       });
     },
     EINVAL},
    {"ibv_bind_mw_without_mr",
     [](Program& p) {
       return with_mw(p, IBV_MW_TYPE_1, [&](ibv_mw* mw) {
         p.to_rts();
         return bind(p, mw, {.mr = nullptr, .addr = 0, .length = 64, .mw_access_flags = IBV_ACCESS_REMOTE_WRITE});
       });
     },
     EINVAL},
    {"ibv_advise_mr_unknown_flags",
     [](Program& p) {
       return with_mr(p, kAllAccess, [&](ibv_mr* mr) {
         ibv_sge sge{reinterpret_cast<uint64_t>(p.memory), 64, mr->lkey};
         return ibv_advise_mr(p.pd, IBV_ADVISE_MR_ADVICE_PREFETCH, 1 << 20, &sge, 1);
       });
     },
     EINVAL},

    // --- device memory
    {"ibv_alloc_dm_more_than_there_is",
     [](Program& p) {
       ibv_device_attr_ex attr{};
       ibv_query_device_ex(p.context, nullptr, &attr);
       if (attr.max_dm_size == 0) return EOPNOTSUPP;
       return with_dm(p, attr.max_dm_size + 1, [](ibv_dm*) { return 0; });
     },
     ENOMEM},
    {"ibv_alloc_dm_comp_mask",
     [](Program& p) {
       ibv_alloc_dm_attr attr{.length = 64, .log_align_req = 0, .comp_mask = 1};
       return Program::made([&] { return ibv_alloc_dm(p.context, &attr); }, ibv_free_dm);
     },
     EINVAL},
    {"ibv_memcpy_to_dm_behind_its_end",
     [](Program& p) { return with_dm(p, 64, [&](ibv_dm* dm) { return ibv_memcpy_to_dm(dm, 60, p.memory, 8); }); },
     EINVAL},
    {"ibv_memcpy_from_dm_behind_its_end",
     [](Program& p) { return with_dm(p, 64, [&](ibv_dm* dm) { return ibv_memcpy_from_dm(p.memory, dm, 60, 8); }); },
     EINVAL},
    {"ibv_reg_dm_mr_without_zero_based",
     [](Program& p) {
       return with_dm(p, 64, [&](ibv_dm* dm) {
         return Program::made([&] { return ibv_reg_dm_mr(p.pd, dm, 0, 64, IBV_ACCESS_LOCAL_WRITE); }, ibv_dereg_mr);
       });
     },
     EINVAL},

    // --- completion queues
    {"ibv_resize_cq_no_entries", [](Program& p) { return resize(p, 0); }, EINVAL},
    {"ibv_resize_cq_too_many_entries", [](Program& p) { return resize(p, p.limits.max_cqe + 1); }, EINVAL},

    // --- shared receive queues
    {"ibv_modify_srq_limit_above_its_depth",
     [](Program& p) {
       return with_srq(p, [](ibv_srq* srq) {
         ibv_srq_attr attr{.max_wr = 0, .max_sge = 0, .srq_limit = 1 << 20};
         return ibv_modify_srq(srq, &attr, IBV_SRQ_LIMIT);
       });
     },
     EINVAL},
    {"ibv_post_srq_recv_queue_full",
     [](Program& p) {
       return with_srq(p, [](ibv_srq* srq) {
         int result = 0;
         for (int i = 0; i < 4096 && result == 0; ++i) {
           ibv_recv_wr wr{}, *bad = nullptr;
           result = ibv_post_srq_recv(srq, &wr, &bad);
         }
         return result;
       });
     },
     ENOMEM},

    // --- domains, XRC
    {"ibv_alloc_parent_domain_without_pd",
     [](Program& p) {
       ibv_parent_domain_init_attr attr{};
       return Program::made([&] { return ibv_alloc_parent_domain(p.context, &attr); }, ibv_dealloc_pd);
     },
     EINVAL},
    {"ibv_alloc_td_comp_mask",
     [](Program& p) {
       ibv_td_init_attr attr{.comp_mask = 1};
       return Program::made([&] { return ibv_alloc_td(p.context, &attr); }, ibv_dealloc_td);
     },
     EINVAL},
    {"ibv_open_xrcd_without_flags",
     [](Program& p) {
       ibv_xrcd_init_attr attr{.comp_mask = IBV_XRCD_INIT_ATTR_FD | IBV_XRCD_INIT_ATTR_OFLAGS, .fd = -1, .oflags = 0};
       return Program::made([&] { return ibv_open_xrcd(p.context, &attr); }, ibv_close_xrcd);
     },
     EINVAL},

    // --- counters
    {"ibv_create_counters_comp_mask",
     [](Program& p) {
       ibv_counters_init_attr attr{.comp_mask = 1};
       return Program::made([&] { return ibv_create_counters(p.context, &attr); }, ibv_destroy_counters);
     },
     EINVAL},
};

INSTANTIATE_TEST_SUITE_P(Objects, ErrnoTest, testing::ValuesIn(kRows), errno_row_name);

}  // namespace
}  // namespace vt
