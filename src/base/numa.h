// SPDX-License-Identifier: BSD-2-Clause
// The machine's NUMA nodes, as the kernel shows them, and the two system calls that move memory between them. Without
// libnuma: a loaded library brings no dependency.
#pragma once

#include <sched.h>

#include <cstddef>
#include <map>
#include <string>

namespace vb::numa {

/// The CPUs in a list like "0-3,8,10-11\n", which the kernel writes. What is malformed, or beyond CPU_SETSIZE, ends it.
cpu_set_t parse_cpus(const std::string& list);
/// The other way round: without a line break, empty for an empty set.
std::string print_cpus(const cpu_set_t& cpus);

class Topology {
 public:
  /// Reads <root>/node<N>/cpulist. A machine that shows none is one node, 0, with every CPU.
  explicit Topology(const std::string& root = "/sys/devices/system/node");

  size_t nodes() const { return cpus_.size(); }
  /// The node of a CPU, or -1: there is no such CPU.
  int node_of(int cpu) const;
  /// nullptr: there is no such node.
  const cpu_set_t* cpus_of(int node) const;

 private:
  std::map<int, cpu_set_t> cpus_;
};

/// The machine's, read at the first call. Thread safe.
const Topology& topology();

/// Asks that the pages of [at, at+size) be on a node: those that are there move, later ones come there while it has
/// room. 0 or an errno value. Whole pages: what shares the first and the last one goes with them.
int prefer_node(const void* at, size_t size, int node);
/// The node of the page at an address, or -1: it is not there, or the kernel does not tell.
int node_of_page(const void* at);

}  // namespace vb::numa
