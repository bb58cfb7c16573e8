// SPDX-License-Identifier: BSD-2-Clause
// The specifications behind an ibv_flow_attr, as a rule of the transport.
#pragma once

#include <infiniband/verbs.h>

#include <vector>

#include "base/result.h"
#include "transport/flow_rule.h"

namespace vb {

struct Counters;

/// Everything of an ibv_flow_attr but the target. EINVAL: a specification that is not known, is too short, or does not
/// belong to this type of flow. EOPNOTSUPP: egress rules and flow actions.
struct ParsedFlow {
  FlowRule rule;
  std::vector<Counters*> counters;
};
Result<ParsedFlow> parse_flow(const ibv_flow_attr& attr);

}  // namespace vb
