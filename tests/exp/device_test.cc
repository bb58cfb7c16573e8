// SPDX-License-Identifier: BSD-2-Clause
// Devices, ports, GIDs, clocks, environments, resource domains.
#include <ctime>

#include "exp_support.h"

namespace vt {
namespace {

using DeviceTest = ExpTest;

TEST_F(DeviceTest, OnlyWhatIsAskedForIsWritten) {
  ibv_exp_device_attr attr;
  std::memset(static_cast<void*>(&attr), 0x5a, sizeof attr);
  attr.comp_mask = 0;
  ASSERT_EQ(ibv_exp_query_device(context.get(), &attr), 0);
  EXPECT_EQ(attr.comp_mask, 0u);
  const auto* bytes = reinterpret_cast<const unsigned char*>(&attr);
  for (size_t i = offsetof(ibv_exp_device_attr, calc_cap); i < sizeof attr; ++i) ASSERT_EQ(bytes[i], 0x5a) << i;
  ibv_device_attr plain{};
  ASSERT_EQ(ibv_query_device(context.get(), &plain), 0);
  EXPECT_EQ(attr.max_qp, plain.max_qp);
  EXPECT_EQ(attr.max_srq_sge, plain.max_srq_sge);
  EXPECT_EQ(attr.node_guid, plain.node_guid);
  EXPECT_EQ(attr.max_pkeys, plain.max_pkeys);
  EXPECT_EQ(attr.phys_port_cnt, plain.phys_port_cnt);
}

TEST_F(DeviceTest, EverythingCanBeAskedFor) {
  ibv_exp_device_attr attr{};
  attr.comp_mask = static_cast<uint32_t>(IBV_EXP_DEVICE_ATTR_RESERVED - 1);
  attr.comp_mask_2 = IBV_EXP_DEVICE_ATTR_RESERVED_2 - 1;
  ASSERT_EQ(ibv_exp_query_device(context.get(), &attr), 0);
  EXPECT_EQ(attr.comp_mask, 0xffffffffu);
  EXPECT_TRUE(attr.exp_device_cap_flags & IBV_EXP_DEVICE_EXT_MASKED_ATOMICS);
  EXPECT_TRUE(attr.exp_device_cap_flags & IBV_EXP_DEVICE_ODP);
  EXPECT_EQ(attr.masked_atomic.masked_log_atomic_arg_sizes, 12u);
  EXPECT_TRUE(attr.ext_atom.log_atomic_arg_sizes & sizeof(uint64_t));
  EXPECT_TRUE(attr.odp_caps.per_transport_caps.rc_odp_caps & IBV_EXP_ODP_SUPPORT_READ);
  EXPECT_GT(attr.max_dm_size, 0u);
  EXPECT_GT(attr.tm_caps.max_num_tags, 0u);
  EXPECT_EQ(attr.hca_core_clock, 1000u);
  EXPECT_NE(attr.pci_atomic_caps.fetch_add, 0);
}

TEST_F(DeviceTest, APortIsTheSameAsToday) {
  ibv_exp_port_attr attr{};
  attr.comp_mask = IBV_EXP_QUERY_PORT_ATTR_MASK1;
  attr.mask1 = IBV_EXP_QUERY_PORT_MASK;
  ASSERT_EQ(ibv_exp_query_port(context.get(), 1, &attr), 0);
  ibv_port_attr plain{};
  ASSERT_EQ(ibv_query_port(context.get(), 1, &plain), 0);
  EXPECT_EQ(attr.state, plain.state);
  EXPECT_EQ(attr.max_msg_sz, plain.max_msg_sz);
  EXPECT_EQ(attr.link_layer, plain.link_layer);
  EXPECT_EQ(attr.comp_mask, uint32_t{IBV_EXP_QUERY_PORT_ATTR_MASK1});
  EXPECT_EQ(attr.mask1, uint32_t{IBV_EXP_QUERY_PORT_MASK});
  ibv_exp_port_attr simple{};
  ASSERT_EQ(ibv_exp_query_port(context.get(), 1, &simple), 0);
  EXPECT_EQ(simple.max_msg_sz, plain.max_msg_sz);
  EXPECT_EQ(simple.comp_mask, 0u);
  EXPECT_NE(ibv_exp_query_port(context.get(), 2, &attr), 0);
}

TEST_F(DeviceTest, AGidIsOfRoceV2) {
  ibv_exp_gid_attr attr{};
  attr.comp_mask = IBV_EXP_QUERY_GID_ATTR_TYPE | IBV_EXP_QUERY_GID_ATTR_GID;
  const int index = gid_index(context.get());
  ASSERT_EQ(ibv_exp_query_gid_attr(context.get(), 1, static_cast<unsigned>(index), &attr), 0);
  EXPECT_EQ(attr.type, IBV_EXP_ROCE_V2_GID_TYPE);
  const ibv_gid gid = gid_at(context.get(), index);
  EXPECT_EQ(std::memcmp(&attr.gid, &gid, sizeof gid), 0);
  attr.comp_mask = IBV_EXP_QUERY_GID_ATTR_RESERVED;
  EXPECT_EQ(ibv_exp_query_gid_attr(context.get(), 1, 0, &attr), EINVAL);
}

TEST_F(DeviceTest, TheClockIsTheHostsInNanoseconds) {
  ibv_exp_values values{};
  const int all = IBV_EXP_VALUES_HW_CLOCK | IBV_EXP_VALUES_HW_CLOCK_NS | IBV_EXP_VALUES_CLOCK_INFO;
  timespec before, after;
  clock_gettime(CLOCK_MONOTONIC, &before);
  ASSERT_EQ(ibv_exp_query_values(context.get(), all, &values), 0);
  clock_gettime(CLOCK_MONOTONIC, &after);
  const auto ns = [](const timespec& time) { return uint64_t(time.tv_sec) * 1'000'000'000 + uint64_t(time.tv_nsec); };
  EXPECT_EQ(values.comp_mask, static_cast<uint32_t>(all));
  EXPECT_GE(values.hwclock, ns(before));
  EXPECT_LE(values.hwclock_ns, ns(after));
  EXPECT_EQ(ibv_exp_cqe_ts_to_ns(&values.clock_info, values.hwclock + 5), values.hwclock + 5);
  EXPECT_EQ(ibv_exp_cqe_ts_to_ns(&values.clock_info, values.hwclock - 5), values.hwclock - 5);
}

TEST_F(DeviceTest, AnEnvironmentOfItsOwnLeavesTheProcesssAlone) {
  ASSERT_EQ(ibv_exp_setenv(context.get(), "VERBATIM_EXP_TEST", "1", 1), 0);
  EXPECT_STREQ(getenv("VERBATIM_EXP_TEST"), "1");
  ASSERT_EQ(ibv_exp_use_priv_env(context.get()), 0);
  ASSERT_EQ(ibv_exp_setenv(context.get(), "VERBATIM_EXP_TEST", "2", 1), 0);
  EXPECT_STREQ(getenv("VERBATIM_EXP_TEST"), "1");
  EXPECT_NE(ibv_exp_setenv(context.get(), "A=B", "2", 1), 0);
  unsetenv("VERBATIM_EXP_TEST");
}

TEST_F(DeviceTest, AResourceDomainIsBusyWhileItIsUsed) {
  ibv_exp_res_domain_init_attr init{};
  init.comp_mask = IBV_EXP_RES_DOMAIN_THREAD_MODEL | IBV_EXP_RES_DOMAIN_MSG_MODEL;
  init.thread_model = IBV_EXP_THREAD_SINGLE;
  init.msg_model = IBV_EXP_MSG_LOW_LATENCY;
  ibv_exp_res_domain* domain = ibv_exp_create_res_domain(context.get(), &init);
  ASSERT_NE(domain, nullptr);
  ibv_exp_cq_init_attr cq_init{};
  cq_init.comp_mask = IBV_EXP_CQ_INIT_ATTR_RES_DOMAIN;
  cq_init.res_domain = domain;
  CqPtr cq = make_cq(cq_init);
  ASSERT_NE(cq, nullptr);
  ibv_exp_qp_init_attr attr = qp_attr(cq.get());
  attr.comp_mask |= IBV_EXP_QP_INIT_ATTR_RES_DOMAIN;
  attr.res_domain = domain;
  QpPtr qp(ibv_exp_create_qp(context.get(), &attr));
  ASSERT_NE(qp, nullptr);
  EXPECT_EQ(ibv_exp_destroy_res_domain(context.get(), domain, nullptr), EBUSY);
  qp.reset();
  EXPECT_EQ(ibv_exp_destroy_res_domain(context.get(), domain, nullptr), EBUSY);
  cq.reset();
  EXPECT_EQ(ibv_exp_destroy_res_domain(context.get(), domain, nullptr), 0);
  init.thread_model = static_cast<ibv_exp_thread_model>(9);
  EXPECT_NULL_ERRNO(EINVAL, ibv_exp_create_res_domain(context.get(), &init));
}

}  // namespace
}  // namespace vt
