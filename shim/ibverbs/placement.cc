// SPDX-License-Identifier: BSD-2-Clause
// Hints where memory is at home: extensions, verbatim/verbatim.h.
#include "verbs/placement.h"

#include "door.h"

using namespace vb;
using namespace vb::door;

VB_DOOR int verbatim_place_mr(ibv_mr* mr, int cpu, int node) {
  if (!ours(mr)) return EOPNOTSUPP;
  return errno_entry([&] { return place_mr(Mr::from(mr), cpu, node); });
}

VB_DOOR int verbatim_query_mr_placement(const ibv_mr* mr, verbatim_placement* placement) {
  if (!ours(mr)) return EOPNOTSUPP;
  *placement = placement_of(Mr::from(const_cast<ibv_mr*>(mr)));
  return 0;
}

VB_DOOR int verbatim_query_progress(const ibv_context* context, verbatim_progress* progress) {
  if (!ours(context)) return EOPNOTSUPP;
  *progress = progress_placement();
  return 0;
}
