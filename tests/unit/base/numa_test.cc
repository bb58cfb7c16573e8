// SPDX-License-Identifier: BSD-2-Clause
#include "base/numa.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cerrno>

#include "base/two_nodes.h"

namespace vb::numa {
namespace {

TEST(CpuListTest, IsReadAsTheKernelWritesIt) {
  for (const char* list : {"", "0", "0-3", "0-3,8,10-11", "1023"}) EXPECT_EQ(print_cpus(parse_cpus(list)), list);
  EXPECT_EQ(print_cpus(parse_cpus("2-4\n")), "2-4");
  EXPECT_EQ(print_cpus(parse_cpus("1,1024,5000")), "1");
  EXPECT_EQ(print_cpus(parse_cpus("3-")), "");
  EXPECT_EQ(print_cpus(parse_cpus("abc")), "");
  EXPECT_EQ(print_cpus(parse_cpus("0-18446744073709551615")), "0-1023");
}

TEST(TopologyTest, KnowsWhoseCpuItIs) {
  const TwoNodes machine("0-3,8", "4-7");
  const Topology topology(machine.root());
  EXPECT_EQ(topology.nodes(), 2u);
  EXPECT_EQ(topology.node_of(8), 0);
  EXPECT_EQ(topology.node_of(4), 1);
  for (int cpu : {-1, 9, CPU_SETSIZE}) EXPECT_EQ(topology.node_of(cpu), -1);
  EXPECT_EQ(print_cpus(*topology.cpus_of(1)), "4-7");
  EXPECT_EQ(topology.cpus_of(2), nullptr);
  EXPECT_EQ(topology.cpus_of(-1), nullptr);
}

TEST(TopologyTest, AMachineThatShowsNoNodesIsOne) {
  const Topology topology("/nowhere");
  EXPECT_EQ(topology.nodes(), 1u);
  EXPECT_EQ(topology.node_of(0), 0);
}

TEST(NodeTest, PagesCanBeAskedToBeOnTheirNode) {
  constexpr size_t kSize = 1 << 16;
  void* at = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(at, MAP_FAILED);
  EXPECT_EQ(node_of_page(at), -1);
  const int node = topology().node_of(0);
  const int error = prefer_node(static_cast<char*>(at) + 100, kSize - 100, node);
  static_cast<char*>(at)[0] = 1;
  if (error == ENOSYS || error == EPERM) GTEST_SKIP() << "no NUMA in this kernel, or a sandbox";
  EXPECT_EQ(error, 0);
  EXPECT_EQ(node_of_page(at), node);
  EXPECT_EQ(prefer_node(at, kSize, -1), EINVAL);
  EXPECT_EQ(prefer_node(at, kSize, 1000), EINVAL);
  munmap(at, kSize);
  EXPECT_EQ(node_of_page(at), -1);
}

}  // namespace
}  // namespace vb::numa
