// SPDX-License-Identifier: BSD-2-Clause
// On which CPU or NUMA node a program says that memory, or completions, are at home, and what was made of it.
#pragma once

#include <verbatim/verbatim.h>

#include "base/export.h"
#include "base/result.h"
#include "verbs/mr.h"

namespace vb {

/// The memory of a region is at home on a CPU, or on a node; -1 is none. Replaces what was said before; with -1 twice
/// it is taken back, and pages stay where they are. EINVAL: no such CPU or node, or the CPU is not of that node.
VB_API Result<void> place_mr(Mr& mr, int cpu, int node);
/// Before the region goes.
void forget_placement(Mr& mr);
VB_API verbatim_placement placement_of(Mr& mr);

/// The node for completions of a vector: that of the CPU it stands for, or -1 for vector 0, which programs name that
/// have no wish. Vector v is the v-th CPU that the process may use, counted in a circle.
int node_of_vector(uint32_t vector);
/// Work on this node is wanted by one more, or by one less. -1 is nobody's.
void want_node(int node);
void unwant_node(int node);

VB_API verbatim_progress progress_placement();

}  // namespace vb
