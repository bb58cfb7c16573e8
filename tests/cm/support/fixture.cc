// SPDX-License-Identifier: BSD-2-Clause
#include "support/fixture.h"

#include <arpa/inet.h>
#include <poll.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "support/known_rxe.h"

namespace cm_test {

Address make_address(const char* text, uint16_t port) {
  Address address;
  auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
  if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
  } else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
  }
  v4.sin_port = htons(port);
  return address;
}

Address device_address(uint16_t port) {
  const char* text = getenv("VERBATIM_TEST_ADDRESS");
  return make_address(text ? text : "127.0.0.1", port);
}

Channel::Channel() : channel_(rdma_create_event_channel()) {
  if (!channel_) ADD_FAILURE() << "rdma_create_event_channel: " << errno;
}

Channel::~Channel() { rdma_destroy_event_channel(channel_); }

Event Channel::next(int timeout_ms) {
  Event seen;
  pollfd waiting{channel_->fd, POLLIN, 0};
  if (poll(&waiting, 1, timeout_ms) <= 0) return seen;
  rdma_cm_event* event = nullptr;
  if (rdma_get_cm_event(channel_, &event) != 0) return seen;
  seen.id = event->id;
  seen.listener = event->listen_id;
  seen.type = event->event;
  seen.status = event->status;
  seen.conn = event->param.conn;
  seen.ud = event->param.ud;
  // Private data stands at the same place in both.
  const auto* data = static_cast<const unsigned char*>(event->param.conn.private_data);
  bool carries = event->event != RDMA_CM_EVENT_MULTICAST_JOIN && data;
  if (carries) seen.data.assign(data, data + event->param.conn.private_data_len);
  rdma_ack_cm_event(event);
  return seen;
}

bool Channel::waits() {
  pollfd waiting{channel_->fd, POLLIN, 0};
  return poll(&waiting, 1, kPatience) == 1;
}

Id::Id(Channel& channel, rdma_port_space space, void* context) {
  if (rdma_create_id(channel.get(), &id_, context, space) != 0) ADD_FAILURE() << "rdma_create_id: " << errno;
}

Id& Id::operator=(Id&& other) noexcept {
  std::swap(id_, other.id_);
  return *this;
}

void Id::destroy() {
  if (!id_) return;
  if (id_->qp) rdma_destroy_qp(id_);
  EXPECT_EQ(rdma_destroy_id(std::exchange(id_, nullptr)), 0);
}

int Id::make_qp() {
  if (!id_) return -1;
  ibv_qp_init_attr attr{};
  attr.cap = {8, 8, 1, 1, 0};
  attr.qp_type = id_->qp_type;
  return rdma_create_qp(id_, nullptr, &attr);
}

ibv_qp_state Id::qp_state() {
  if (!id_ || !id_->qp) return IBV_QPS_UNKNOWN;
  ibv_qp_attr attr{};
  ibv_qp_init_attr init{};
  EXPECT_EQ(ibv_query_qp(id_->qp, &attr, IBV_QP_STATE, &init), 0);
  return attr.qp_state;
}

rdma_conn_param parameters(size_t private_size) {
  static const auto* pattern = [] {
    auto* bytes = new std::vector<unsigned char>(256);
    for (size_t i = 0; i < bytes->size(); ++i) (*bytes)[i] = static_cast<unsigned char>(i + 1);
    return bytes;
  }();
  rdma_conn_param param{};
  param.private_data = private_size ? pattern->data() : nullptr;
  param.private_data_len = static_cast<uint8_t>(private_size);
  param.responder_resources = param.initiator_depth = 1;
  param.retry_count = 7;
  param.rnr_retry_count = 7;
  return param;
}

bool is_pattern(const std::vector<unsigned char>& data, size_t size) {
  if (data.size() < size) return false;
  for (size_t i = 0; i < data.size(); ++i) {
    if (data[i] != (i < size ? static_cast<unsigned char>(i + 1) : 0)) return false;
  }
  return true;
}

namespace {

const std::string& device_name() {
  static const auto* name = [] {
    Channel channel;
    Id id(channel);
    Address address = device_address();
    const bool bound = rdma_bind_addr(id.get(), address.get()) == 0 && id->verbs;
    return new std::string(bound ? ibv_get_device_name(id->verbs->device) : "");
  }();
  return *name;
}

bool device_is_rxe() { return device_name().starts_with("rxe"); }

}  // namespace

bool device_is_ours() { return device_name().starts_with("vb_"); }

void CmTest::SetUp() {
  const char* wish = getenv("VERBATIM_TEST_KNOWN_RXE");
  if (!device_is_rxe() || (wish && std::string_view(wish) == "run")) return;
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  const std::string name = std::string(test->test_suite_name()) + "." + test->name();
  for (const KnownRxe& known : kKnownRxe) {
    if (name == known.test) GTEST_SKIP() << "known rxe defect: " << known.reason;
  }
}

Id CmTest::listen(rdma_port_space space, int backlog) {
  Id id(passive, space, this);
  Address address = device_address();
  EXPECT_EQ(rdma_bind_addr(id.get(), address.get()), 0) << errno;
  EXPECT_EQ(rdma_listen(id.get(), backlog), 0) << errno;
  return id;
}

Id CmTest::resolve(uint16_t port, bool with_qp, rdma_port_space space) {
  Id id(active, space);
  Address address = device_address(port);
  EXPECT_EQ(rdma_resolve_addr(id.get(), nullptr, address.get(), 2000), 0) << errno;
  EXPECT_EQ(active.next().type, RDMA_CM_EVENT_ADDR_RESOLVED);
  EXPECT_EQ(rdma_resolve_route(id.get(), 2000), 0) << errno;
  EXPECT_EQ(active.next().type, RDMA_CM_EVENT_ROUTE_RESOLVED);
  if (with_qp) {
    EXPECT_EQ(id.make_qp(), 0) << errno;
  }
  return id;
}

Id CmTest::request(Event* event) {
  Event seen = passive.next();
  EXPECT_EQ(seen.type, RDMA_CM_EVENT_CONNECT_REQUEST);
  if (event) *event = seen;
  return seen.type == RDMA_CM_EVENT_CONNECT_REQUEST ? Id(seen.id) : Id();
}

void ConnectedCmTest::SetUp() {
  CmTest::SetUp();
  if (IsSkipped()) return;
  listener = listen();
  client = resolve(listener.port());
  rdma_conn_param param = parameters();
  ASSERT_EQ(rdma_connect(client.get(), &param), 0);
  server = request();
  ASSERT_NE(server.get(), nullptr);
  ASSERT_EQ(server.make_qp(), 0);
  ASSERT_EQ(rdma_accept(server.get(), &param), 0);
  ASSERT_EQ(active.next().type, RDMA_CM_EVENT_ESTABLISHED);
  ASSERT_EQ(passive.next().type, RDMA_CM_EVENT_ESTABLISHED);
}

}  // namespace cm_test
