// SPDX-License-Identifier: BSD-2-Clause
#include "transport/placement.h"

#include <unistd.h>

#include <cstring>
#include <mutex>

#include "base/log.h"

namespace vb {

/// The CPUs of the nodes that are named, of those that the process has: an administrator's choice stands. Empty: there
/// is nothing to choose.
cpu_set_t Placement::wanted() const {
  cpu_set_t cpus, ours;
  CPU_ZERO(&cpus);
  if (topology_.nodes() < 2 || named_.empty()) return cpus;
  for (const auto& [node, times] : named_) CPU_OR(&cpus, &cpus, topology_.cpus_of(node));
  if (sched_getaffinity(getpid(), sizeof ours, &ours) == 0) CPU_AND(&cpus, &cpus, &ours);
  return cpus;
}

/// Lock held.
void Placement::apply() {
  if (helper_ == 0) return;
  cpu_set_t cpus = wanted();
  const bool confine = CPU_COUNT(&cpus) > 0;
  if (!confine && !confined_) return;
  if (!confined_) sched_getaffinity(helper_, sizeof free_, &free_);
  if (!confine) cpus = free_;
  if (sched_setaffinity(helper_, sizeof cpus, &cpus) != 0) {
    log(LogLevel::warn, "the helper thread cannot run on CPUs %s: %s", numa::print_cpus(cpus).c_str(), strerror(errno));
    return;
  }
  confined_ = confine;
  log(LogLevel::info, "the helper thread runs on CPUs %s%s", numa::print_cpus(cpus).c_str(),
      confine ? ", the nodes of regions and completion queues" : ": nothing names a node any more");
}

void Placement::add(int node) {
  if (!topology_.cpus_of(node)) return;
  std::lock_guard guard(lock_);
  if (++named_[node] == 1) apply();
}

void Placement::remove(int node) {
  std::lock_guard guard(lock_);
  const auto found = named_.find(node);
  if (found == named_.end() || --found->second > 0) return;
  named_.erase(found);
  apply();
}

void Placement::helper_is_here() {
  std::lock_guard guard(lock_);
  helper_ = gettid();
  confined_ = false;
  apply();
}

Placement::Decision Placement::decision() {
  std::lock_guard guard(lock_);
  Decision found;
  CPU_ZERO(&found.cpus);
  found.confined = confined_;
  sched_getaffinity(helper_, sizeof found.cpus, &found.cpus);  // 0, before there is a helper: the caller, who makes it
  return found;
}

}  // namespace vb
