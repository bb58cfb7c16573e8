// SPDX-License-Identifier: BSD-2-Clause
// Where the engine's own work should be done: on the NUMA nodes that regions and completion queues name. There is one
// helper thread, so it runs on the CPUs of all nodes that are named; a program's threads run where the program wants.
#pragma once

#include <sys/types.h>

#include <map>

#include "base/numa.h"
#include "base/spinlock.h"

namespace vb {

class Placement {
 public:
  explicit Placement(const numa::Topology& topology) : topology_(topology) {}

  const numa::Topology& topology() const { return topology_; }
  /// Somebody wants work to be done on this node, until remove(). Any thread, as for all of these.
  void add(int node);
  void remove(int node);
  /// The thread that is to be confined: the caller.
  void helper_is_here();

  struct Decision {
    bool confined = false;  ///< to `cpus`, because of hints; otherwise these are where the scheduler may put it
    cpu_set_t cpus;
  };
  Decision decision();

 private:
  cpu_set_t wanted() const;
  void apply();

  const numa::Topology& topology_;
  SpinLock lock_;
  std::map<int, int> named_;  ///< how often each node
  pid_t helper_ = 0;
  bool confined_ = false;
  cpu_set_t free_{};  ///< where the helper ran before it was confined
};

}  // namespace vb
