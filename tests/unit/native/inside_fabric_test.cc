// SPDX-License-Identifier: BSD-2-Clause
#include "native/inside_fabric.h"

#include <gtest/gtest.h>

#include <thread>

namespace vb::native {
namespace {

TEST(InsideFabric, TheMarkNestsAndIsTheThreadsOwn) {
  EXPECT_FALSE(inside_fabric());
  {
    InsideFabric outer;
    { InsideFabric inner; }
    EXPECT_TRUE(inside_fabric());
    bool other = true;
    std::thread([&] { other = inside_fabric(); }).join();
    EXPECT_FALSE(other);
  }
  EXPECT_FALSE(inside_fabric());
}

}  // namespace
}  // namespace vb::native
