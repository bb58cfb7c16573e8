// SPDX-License-Identifier: BSD-2-Clause
// A machine of two nodes is made up of two CPUs that this one has; the thread that stands for the helper really moves.
#include "transport/placement.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "base/two_nodes.h"

namespace vb {
namespace {

class PlacementTest : public testing::Test {
 protected:
  void SetUp() override {
    cpu_set_t cpus;
    ASSERT_EQ(sched_getaffinity(getpid(), sizeof cpus, &cpus), 0);
    for (int cpu = 0; cpu < CPU_SETSIZE && own_.size() < 2; ++cpu) {
      if (CPU_ISSET(cpu, &cpus)) own_.push_back(cpu);
    }
    if (own_.size() < 2) GTEST_SKIP() << "one CPU";
  }

  static std::string cpus_now() {
    cpu_set_t cpus;
    sched_getaffinity(0, sizeof cpus, &cpus);
    return numa::print_cpus(cpus);
  }
  std::string name(int n) const { return std::to_string(own_[n]); }

  std::vector<int> own_;
};

TEST_F(PlacementTest, TheHelperRunsOnTheNodesThatAreNamed) {
  const TwoNodes machine(name(0), name(1));
  const numa::Topology topology(machine.root());
  Placement placement(topology);
  const std::string both = numa::print_cpus(numa::parse_cpus(name(0) + "," + name(1)));
  std::thread([&] {
    const std::string before = cpus_now();
    placement.helper_is_here();
    EXPECT_EQ(cpus_now(), before);
    EXPECT_FALSE(placement.decision().confined);
    placement.add(1);
    placement.add(1);
    EXPECT_EQ(cpus_now(), name(1));
    EXPECT_TRUE(placement.decision().confined);
    EXPECT_EQ(numa::print_cpus(placement.decision().cpus), name(1));
    placement.add(0);
    EXPECT_EQ(cpus_now(), both);
    placement.remove(1);
    EXPECT_EQ(cpus_now(), both) << "named twice";
    placement.remove(1);
    EXPECT_EQ(cpus_now(), name(0));
    placement.remove(0);
    EXPECT_EQ(cpus_now(), before);
    EXPECT_FALSE(placement.decision().confined);
  }).join();
}

TEST_F(PlacementTest, WhatWasNamedBeforeTheHelperCameCounts) {
  const TwoNodes machine(name(0), name(1));
  const numa::Topology topology(machine.root());
  Placement placement(topology);
  placement.add(1);
  EXPECT_FALSE(placement.decision().confined);
  std::thread([&] {
    placement.helper_is_here();
    EXPECT_EQ(cpus_now(), name(1));
  }).join();
}

TEST_F(PlacementTest, NodesThatAreNotThereOrNotOursChangeNothing) {
  const TwoNodes machine(name(0), std::to_string(CPU_SETSIZE - 1));
  const numa::Topology topology(machine.root());
  Placement placement(topology);
  std::thread([&] {
    const std::string before = cpus_now();
    placement.helper_is_here();
    placement.add(7);
    placement.add(-1);
    placement.add(1);
    EXPECT_EQ(cpus_now(), before);
    EXPECT_FALSE(placement.decision().confined);
    placement.remove(7);
    placement.remove(1);
  }).join();
}

TEST_F(PlacementTest, OneNodeIsNoChoice) {
  const numa::Topology topology("/nowhere");
  Placement placement(topology);
  std::thread([&] {
    const std::string before = cpus_now();
    placement.helper_is_here();
    placement.add(0);
    EXPECT_EQ(cpus_now(), before);
    EXPECT_FALSE(placement.decision().confined);
  }).join();
}

}  // namespace
}  // namespace vb
