// SPDX-License-Identifier: BSD-2-Clause
#include <fcntl.h>

#include <cstring>
#include <set>

#include "support/fixture.h"

namespace vt {
namespace {

class DeviceTest : public VerbsTest {
 protected:
  ContextPtr context = open_device();
};

TEST_F(DeviceTest, ListCountsItsEntriesAndEndsWithNull) {
  int count = -1;
  ibv_device** list = ibv_get_device_list(&count);
  ASSERT_NE(list, nullptr);
  EXPECT_GE(count, 1);
  for (int i = 0; i < count; ++i) EXPECT_NE(list[i], nullptr);
  EXPECT_EQ(list[count], nullptr);
  ibv_free_device_list(list);
}

TEST_F(DeviceTest, ListNeedsNoCount) {
  ibv_device** list = ibv_get_device_list(nullptr);
  ASSERT_NE(list, nullptr);
  ibv_free_device_list(list);
}

TEST_F(DeviceTest, NamesAreUnique) {
  int count = 0;
  ibv_device** list = ibv_get_device_list(&count);
  std::set<std::string> names;
  for (int i = 0; i < count; ++i) names.insert(ibv_get_device_name(list[i]));
  EXPECT_EQ(names.size(), static_cast<size_t>(count));
  ibv_free_device_list(list);
}

TEST_F(DeviceTest, IsARoceChannelAdapter) {
  EXPECT_EQ(context->device->node_type, IBV_NODE_CA);
  EXPECT_EQ(context->device->transport_type, IBV_TRANSPORT_IB);
  EXPECT_STREQ(ibv_get_device_name(context->device), context->device->name);
  EXPECT_NE(ibv_get_device_guid(context->device), 0u);
}

TEST_F(DeviceTest, OpensTwiceInOneProcess) {
  ContextPtr again = open_device();
  EXPECT_NE(again.get(), context.get());
}

TEST_F(DeviceTest, OpenDeviceOutlivesTheList) {
  ibv_device_attr attr{};  // open_device() has freed the list already
  EXPECT_EQ(ibv_query_device(context.get(), &attr), 0);
  EXPECT_STREQ(ibv_get_device_name(context->device), device_name().c_str());
}

TEST_F(DeviceTest, ContextHasCompletionVectorsAndFds) {
  EXPECT_GT(context->num_comp_vectors, 0);
  EXPECT_GE(fcntl(context->async_fd, F_GETFL), 0);
}

TEST_F(DeviceTest, AsyncFdIsQuietAndCanBeNonblocking) {
  int flags = fcntl(context->async_fd, F_GETFL);
  ASSERT_EQ(fcntl(context->async_fd, F_SETFL, flags | O_NONBLOCK), 0);
  ibv_async_event event{};
  errno = 0;
  EXPECT_EQ(ibv_get_async_event(context.get(), &event), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST_F(DeviceTest, QueryDeviceGivesUsableLimits) {
  ibv_device_attr attr{};
  ASSERT_EQ(ibv_query_device(context.get(), &attr), 0);
  EXPECT_EQ(attr.phys_port_cnt, 1);
  EXPECT_GE(attr.max_qp, 1024);
  EXPECT_GE(attr.max_qp_wr, 4096);
  EXPECT_GE(attr.max_sge, 16);
  EXPECT_GE(attr.max_sge_rd, 16);
  EXPECT_GE(attr.max_cq, 1024);
  EXPECT_GE(attr.max_cqe, 16384);
  EXPECT_GE(attr.max_mr, 1024);
  EXPECT_GE(attr.max_pd, 1024);
  EXPECT_GE(attr.max_mr_size, uint64_t{1} << 30);
}

TEST_F(DeviceTest, QueryDeviceOffersReadsAtomicsAndSrqs) {
  ibv_device_attr attr{};
  ASSERT_EQ(ibv_query_device(context.get(), &attr), 0);
  EXPECT_GE(attr.max_qp_rd_atom, 16);
  EXPECT_GE(attr.max_qp_init_rd_atom, 16);
  EXPECT_EQ(attr.atomic_cap, IBV_ATOMIC_HCA);  // programs compare with just this
  EXPECT_GE(attr.max_srq, 1024);
  EXPECT_GE(attr.max_srq_wr, 4096);
  EXPECT_GE(attr.max_srq_sge, 8);
  EXPECT_NE(attr.page_size_cap, 0u);
  EXPECT_NE(attr.node_guid, 0u);
  EXPECT_EQ(attr.max_pkeys > 0, true);
  EXPECT_NE(attr.fw_ver[0], '\0');
}

TEST_F(DeviceTest, QueryDeviceExRepeatsTheOriginalAttributes) {
  ibv_device_attr attr{};
  ibv_device_attr_ex extended{};
  ASSERT_EQ(ibv_query_device(context.get(), &attr), 0);
  ASSERT_EQ(ibv_query_device_ex(context.get(), nullptr, &extended), 0);
  EXPECT_EQ(extended.orig_attr.max_qp, attr.max_qp);
  EXPECT_EQ(extended.orig_attr.max_cqe, attr.max_cqe);
  EXPECT_EQ(extended.orig_attr.node_guid, attr.node_guid);
  EXPECT_STREQ(extended.orig_attr.fw_ver, attr.fw_ver);
}

TEST_F(DeviceTest, QueryDeviceExRefusesAnUnknownCompMask) {
  ibv_device_attr_ex extended{};
  ibv_query_device_ex_input input{.comp_mask = 1u << 31};
  EXPECT_EQ(ibv_query_device_ex(context.get(), &input, &extended), EINVAL);
}

TEST_F(DeviceTest, StringsNameEveryValue) {
  EXPECT_STREQ(ibv_node_type_str(IBV_NODE_CA), "InfiniBand channel adapter");
  EXPECT_STREQ(ibv_port_state_str(IBV_PORT_ACTIVE), "active");
  EXPECT_STREQ(ibv_event_type_str(IBV_EVENT_QP_FATAL), "local work queue catastrophic error");
  EXPECT_STREQ(ibv_wc_status_str(IBV_WC_SUCCESS), "success");
  EXPECT_STREQ(ibv_wc_status_str(IBV_WC_RNR_RETRY_EXC_ERR), "RNR retry counter exceeded");
  EXPECT_STREQ(ibv_wc_status_str(static_cast<ibv_wc_status>(9999)), "unknown");
}

}  // namespace
}  // namespace vt
