// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/placement.h"

#include <unistd.h>

#include <cstring>

#include "base/log.h"
#include "transport/engine.h"

namespace vb {

namespace {

const char* text(int decision) {
  switch (decision) {
    case VERBATIM_PAGES_PREFER_NODE: return "its pages are asked to be there";
    case VERBATIM_PAGES_ONE_NODE: return "the machine has no other node";
    case VERBATIM_PAGES_NOT_ITS_OWN: return "a key for all memory has no pages of its own";
    default: return "its pages stay where they are";
  }
}

/// The key is for all memory, for none, or for pieces of other regions.
bool has_no_pages(Mr& mr) {
  const uint64_t length = mr.region().length;
  return length == SIZE_MAX || length == 0 || mr.most_pieces != 0;
}

void place_pages(Mr& mr, MrPlacement& placement) {
  const MemoryRegion& region = mr.region();
  if (engine().placement.topology().nodes() < 2) {
    placement.pages = VERBATIM_PAGES_ONE_NODE;
  } else if (has_no_pages(mr)) {
    placement.pages = VERBATIM_PAGES_NOT_ITS_OWN;
  } else {
    placement.pages_errno = numa::prefer_node(reinterpret_cast<void*>(region.address), region.length, placement.node);
    placement.pages = placement.pages_errno == 0 ? VERBATIM_PAGES_PREFER_NODE : VERBATIM_PAGES_REFUSED;
  }
}

/// Of those that the process may use: what its first thread may use stands for them.
int nth_cpu(uint32_t n) {
  cpu_set_t cpus;
  if (sched_getaffinity(getpid(), sizeof cpus, &cpus) != 0 || CPU_COUNT(&cpus) == 0) return -1;
  n %= static_cast<uint32_t>(CPU_COUNT(&cpus));
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &cpus) && n-- == 0) return cpu;
  }
  return -1;
}

}  // namespace

Result<void> place_mr(Mr& mr, int cpu, int node) {
  const numa::Topology& topology = engine().placement.topology();
  const int of_cpu = topology.node_of(cpu);
  if ((cpu >= 0 && of_cpu < 0) || (node >= 0 && !topology.cpus_of(node))) return Error{EINVAL};
  if (cpu >= 0 && node >= 0 && node != of_cpu) return Error{EINVAL};
  if (cpu < -1 || node < -1) return Error{EINVAL};
  MrPlacement fresh;
  fresh.cpu = cpu;
  fresh.node = cpu >= 0 ? of_cpu : node;
  want_node(fresh.node);
  forget_placement(mr);
  if (fresh.node >= 0) {
    place_pages(mr, fresh);
    log(LogLevel::info, "memory region at %p, length %zu, is at home on node %d (CPU %d): %s%s%s", mr.abi.addr,
        mr.abi.length, fresh.node, fresh.cpu, text(fresh.pages), fresh.pages_errno ? ": " : "",
        fresh.pages_errno ? strerrordesc_np(fresh.pages_errno) : "");
  }
  mr.placement = fresh;
  return {};
}

void forget_placement(Mr& mr) {
  unwant_node(mr.placement.node);
  mr.placement = {};
}

verbatim_placement placement_of(Mr& mr) {
  const MemoryRegion& region = mr.region();
  verbatim_placement out{};
  out.cpu = mr.placement.cpu;
  out.node = mr.placement.node;
  out.pages = static_cast<verbatim_pages>(mr.placement.pages);
  out.pages_errno = mr.placement.pages_errno;
  out.page_node = has_no_pages(mr) ? -1 : numa::node_of_page(reinterpret_cast<void*>(region.address));
  return out;
}

int node_of_vector(uint32_t vector) {
  return vector == 0 ? -1 : engine().placement.topology().node_of(nth_cpu(vector));
}

void want_node(int node) {
  if (node >= 0) engine().placement.add(node);
}

void unwant_node(int node) {
  if (node >= 0) engine().placement.remove(node);
}

verbatim_progress progress_placement() {
  const Placement::Decision found = engine().placement.decision();
  verbatim_progress out{};
  out.nodes = static_cast<int>(engine().placement.topology().nodes());
  out.confined = found.confined;
  out.cpus = found.cpus;
  return out;
}

}  // namespace vb
