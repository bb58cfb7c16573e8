// SPDX-License-Identifier: BSD-2-Clause
#include "transport/router.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cstring>

#include "base/clock.h"
#include "base/config.h"

namespace vb {
namespace {

constexpr int kSecondMs = 1000;

/// The process has no file descriptor left, as long as this lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    Fd next(fcntl(0, F_DUPFD_CLOEXEC, 0));
    rlimit none = before_;
    none.rlim_cur = static_cast<rlim_t>(next.get());
    setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_;
};

class RouterTest : public testing::Test {
 public:
  RouterTest() {
    auto guard = lane_.hold();
    EXPECT_TRUE(router_.open());
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(address_.get(), &any, sizeof any);
    address_.length = sizeof any;
    auto qpn = router_.allocate_qpn(0, {address_});
    EXPECT_TRUE(qpn);
    port_ = static_cast<uint16_t>(config().port_base + (*qpn >> kSlotBits));
  }
  ~RouterTest() override {
    auto guard = lane_.hold();
    router_.close();
  }

  /// A stranger that calls.
  Fd call() {
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    SocketAddress to = with_port(address_, port_);
    EXPECT_EQ(connect(socket.get(), to.get(), to.length), 0);
    return socket;
  }
  int wait(int timeout_ms) { return router_.poller().wait(Poller::On::kControl, timeout_ms); }
  /// Without a look at the object's dynamic type: the sanitizer needs a descriptor for that, and there may be none.
  [[gnu::no_sanitize("vptr")]] void handle(int count) {
    auto guard = lane_.hold();
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = router_.poller().events()[i];
      static_cast<Pollable*>(event.data.ptr)->ready(event.events);
    }
    router_.poller().handled();
  }
  void tick() {
    auto guard = lane_.hold();
    router_.tick(clock_ns());
  }

  Lane lane_;
  Router router_{lane_};
  SocketAddress address_;
  uint16_t port_ = 0;
};

TEST_F(RouterTest, WithoutDescriptorsCallersWaitAndNobodySpins) {
  Fd caller = call();
  {
    NoDescriptors none;
    int count = wait(20 * kSecondMs);
    ASSERT_EQ(count, 1);
    handle(count);
    EXPECT_EQ(wait(0), 0) << "the call that cannot be taken is reported again at once";
    EXPECT_TRUE(router_.retrying()) << "nobody would look again";
    tick();
    EXPECT_EQ(wait(0), 1);
    handle(1);
    EXPECT_EQ(wait(0), 0);
  }
  tick();
  ASSERT_EQ(wait(20 * kSecondMs), 1);
  handle(1);
  EXPECT_FALSE(router_.retrying());
  // It has been taken in: what it says is heard, and as it is no message the connection ends.
  ASSERT_EQ(send(caller.get(), "who is there, please?", 21, MSG_NOSIGNAL), 21);
  ASSERT_EQ(wait(20 * kSecondMs), 1);
  handle(1);
  EXPECT_EQ(router_.rejected, 1u);
}

}  // namespace
}  // namespace vb
