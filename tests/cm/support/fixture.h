// SPDX-License-Identifier: BSD-2-Clause
// Both ends of a connection in one process. The address is VERBATIM_TEST_ADDRESS (127.0.0.1 without it): one that an
// RDMA device has.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <rdma/rdma_cma.h>

#include <memory>
#include <utility>
#include <vector>

namespace cm_test {

/// How long an event may take that must come; and how long nothing may come.
inline constexpr int kPatience = 20000;
inline constexpr int kSilence = 150;

struct Address {
  sockaddr_storage storage{};
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};
Address device_address(uint16_t port = 0);
Address make_address(const char* text, uint16_t port = 0);

/// Whether the device with that address is one of Verbatim's: those leave nothing out.
bool device_is_ours();

/// Skips the test on other devices than ours; `missing` is a message.
#define SKIP_ON_OTHERS(missing)                  \
  do {                                           \
    ASSERT_FALSE(device_is_ours()) << (missing); \
    GTEST_SKIP() << (missing);                   \
  } while (0)

/// What an event says; it is given back already.
struct Event {
  rdma_cm_id* id = nullptr;
  rdma_cm_id* listener = nullptr;
  int type = -1;  ///< -1: none came
  int status = 0;
  rdma_conn_param conn{};
  rdma_ud_param ud{};
  std::vector<unsigned char> data;
};

class Channel {
 public:
  Channel();
  ~Channel();
  rdma_event_channel* get() { return channel_; }
  Event next(int timeout_ms = kPatience);
  bool silent() { return next(kSilence).type == -1; }
  /// An event has come, which stays.
  bool waits();

 private:
  rdma_event_channel* channel_;
};

/// An identifier that goes with the test, its QP with it.
class Id {
 public:
  Id() = default;
  Id(Channel& channel, rdma_port_space space = RDMA_PS_TCP, void* context = nullptr);
  explicit Id(rdma_cm_id* id) : id_(id) {}
  Id(Id&& other) noexcept : id_(std::exchange(other.id_, nullptr)) {}
  Id& operator=(Id&& other) noexcept;
  ~Id() { destroy(); }
  void destroy();
  rdma_cm_id* get() { return id_; }
  rdma_cm_id* operator->() { return id_; }
  // Without an identifier: a failure of the test, which has said already why there is none.
  int make_qp();
  ibv_qp_state qp_state();
  uint16_t port() { return ntohs(rdma_get_src_port(id_)); }

 private:
  rdma_cm_id* id_ = nullptr;
};

class CmTest : public ::testing::Test {
 protected:
  Channel passive, active;

  /// Skips what the device is known not to do (known_rxe.h).
  void SetUp() override;

  Id listen(rdma_port_space space = RDMA_PS_TCP, int backlog = 8);
  /// Resolved, with a QP if wanted.
  Id resolve(uint16_t port, bool with_qp = true, rdma_port_space space = RDMA_PS_TCP);
  /// Takes the request and the identifier that comes with it.
  Id request(Event* event = nullptr);
};

/// Parameters with private data 1, 2, 3 ...
rdma_conn_param parameters(size_t private_size = 0);
bool is_pattern(const std::vector<unsigned char>& data, size_t size);

/// Both ends, established.
class ConnectedCmTest : public CmTest {
 protected:
  Id listener, client, server;
  void SetUp() override;
};

}  // namespace cm_test
