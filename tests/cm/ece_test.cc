// SPDX-License-Identifier: BSD-2-Clause
// Enhanced connection establishment: options that adapters of one vendor agree on, for programs with QPs of their own.
#include <ostream>

#include "support/fixture.h"

static bool operator==(const ibv_ece& one, const ibv_ece& other) {
  return one.vendor_id == other.vendor_id && one.options == other.options && one.comp_mask == other.comp_mask;
}
static std::ostream& operator<<(std::ostream& out, const ibv_ece& ece) {
  return out << std::hex << ece.vendor_id << '/' << ece.options << '/' << ece.comp_mask;
}

namespace cm_test {
namespace {

constexpr uint32_t kVendor = 0x15b3;

class EceTest : public CmTest {
 protected:
  /// A client that offers `offered`, and its request. Both QPs are the program's own.
  void ask(ibv_ece offered) {
    listener = listen();
    client = resolve(listener.port(), false);
    ASSERT_EQ(rdma_set_local_ece(client.get(), &offered), 0);
    param.qp_num = 0x1234;
    ASSERT_EQ(rdma_connect(client.get(), &param), 0);
    server = request();
    ASSERT_NE(server.get(), nullptr);
    param.qp_num = 0x4321;
  }
  static ibv_ece remote(Id& id) {
    ibv_ece ece{1, 1, 0};
    EXPECT_EQ(rdma_get_remote_ece(id.get(), &ece), 0) << errno;
    return ece;
  }

  Id listener, client, server;
  rdma_conn_param param = parameters();
};

TEST_F(EceTest, OptionsAreAgreedUponInTheTermsOfWhoAsks) {
  ask({kVendor, 0x1234, 0});
  EXPECT_EQ(remote(client), ibv_ece{});
  EXPECT_EQ(remote(server), (ibv_ece{kVendor, 0x1234, 0}));
  ibv_ece chosen{0x1d0f, 0x34, 0};
  ASSERT_EQ(rdma_set_local_ece(server.get(), &chosen), 0);
  ASSERT_EQ(rdma_accept(server.get(), &param), 0);
  ASSERT_EQ(active.next().type, RDMA_CM_EVENT_CONNECT_RESPONSE);
  EXPECT_EQ(remote(client), (ibv_ece{kVendor, 0x34, 0}));
  ASSERT_EQ(rdma_establish(client.get()), 0);
  EXPECT_EQ(passive.next().type, RDMA_CM_EVENT_ESTABLISHED);
}

TEST_F(EceTest, OptionsMayBeTheReasonOfARefusal) {
  ask({kVendor, 0x1234, 0});
  ASSERT_EQ(rdma_reject_ece(server.get(), parameters(5).private_data, 5), 0);
  Event event = active.next();
  EXPECT_EQ(event.type, RDMA_CM_EVENT_REJECTED);
  EXPECT_EQ(event.status, 35);
  EXPECT_EQ(remote(client), ibv_ece{});
}

TEST_F(EceTest, AnOrdinaryRefusalSaysNothingOfThem) {
  ask({kVendor, 0x1234, 0});
  ibv_ece chosen{kVendor, 0x34, 0};
  ASSERT_EQ(rdma_set_local_ece(server.get(), &chosen), 0);
  ASSERT_EQ(rdma_reject(server.get(), nullptr, 0), 0);
  EXPECT_EQ(active.next().status, 28);
  EXPECT_EQ(remote(client), ibv_ece{});
}

TEST_F(EceTest, AQueuePairOfTheIdentifiersSpeaksForItself) {
  listener = listen();
  client = resolve(listener.port(), false);
  ibv_ece offered{kVendor, 0x1234, 0};
  ASSERT_EQ(rdma_set_local_ece(client.get(), &offered), 0);
  ASSERT_EQ(client.make_qp(), 0);
  EXPECT_NE(rdma_set_local_ece(client.get(), &offered), 0);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_NE(rdma_get_remote_ece(client.get(), &offered), 0);
  EXPECT_EQ(errno, EINVAL);
  ASSERT_EQ(rdma_connect(client.get(), &param), 0);
  server = request();
  ASSERT_NE(server.get(), nullptr);
  ibv_ece own{};
  if (ibv_query_ece(client.get()->qp, &own) != 0) own = {};
  EXPECT_EQ(remote(server), own);
}

TEST_F(EceTest, OptionsNeedAVendor) {
  Id id = resolve(7999, false);
  for (ibv_ece wrong : {ibv_ece{0, 1, 0}, ibv_ece{kVendor, 1, 1}}) {
    EXPECT_NE(rdma_set_local_ece(id.get(), &wrong), 0);
    EXPECT_EQ(errno, EINVAL);
  }
  EXPECT_NE(rdma_set_local_ece(id.get(), nullptr), 0);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_NE(rdma_get_remote_ece(id.get(), nullptr), 0);
  EXPECT_EQ(errno, EINVAL);
}

}  // namespace
}  // namespace cm_test
