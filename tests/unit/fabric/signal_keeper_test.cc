// SPDX-License-Identifier: BSD-2-Clause
#include "fabric/signal_keeper.h"

#include <signal.h>

#include <atomic>
#include <thread>

#include "gtest/gtest.h"

namespace vb::fabric {
namespace {

using Handler = void (*)(int);

void fabrics(int) {}
void earlier(int) {}
void later(int) {}

bool is_fabrics(const struct sigaction& action) { return action.sa_handler == fabrics; }

class SignalKeeperTest : public ::testing::Test {
 protected:
  static constexpr int kSignal = SIGUSR2;
  SignalKeeperTest() { install(earlier); }
  ~SignalKeeperTest() override { install(SIG_DFL); }

  static void install(Handler handler) { signal(kSignal, handler); }
  static Handler installed() {
    struct sigaction now;
    sigaction(kSignal, nullptr, &now);
    return now.sa_handler;
  }
};

TEST_F(SignalKeeperTest, TheProgramsHandlerComesBack) {
  {
    SignalKeeper keeper(is_fabrics);
    install(fabrics);
  }
  EXPECT_EQ(installed(), earlier);
}

TEST_F(SignalKeeperTest, WhatTheProgramInstalledMeanwhileStays) {
  {
    SignalKeeper keeper(is_fabrics);
    install(fabrics);
    install(later);
  }
  EXPECT_EQ(installed(), later);
}

TEST_F(SignalKeeperTest, WhatTheProgramInstallsWhileHandlersAreGivenBackStays) {
  for (int round = 0; round < 2000; ++round) {
    install(earlier);
    std::atomic<bool> ready{false};
    std::thread program;
    {
      SignalKeeper keeper(is_fabrics);
      install(fabrics);
      program = std::thread([&] {
        ready.store(true);
        install(later);
      });
      while (!ready.load()) std::this_thread::yield();
    }
    program.join();
    ASSERT_EQ(installed(), later) << "round " << round;
  }
}

TEST_F(SignalKeeperTest, HandlersOfOthersAreNotTheFabrics) {
  struct sigaction now;
  sigaction(kSignal, nullptr, &now);
  EXPECT_FALSE(of_the_fabric(now));
}

}  // namespace
}  // namespace vb::fabric
