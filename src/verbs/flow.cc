// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/flow.h"

#include <atomic>
#include <memory>

#include "transport/engine.h"
#include "verbs/flow_spec.h"
#include "verbs/raw_qp.h"

namespace vb {

Result<Flow*> create_flow(Qp& qp, const ibv_flow_attr& attr) {
  if (!qp.frames) return Error{EINVAL};
  auto parsed = parse_flow(attr);
  if (!parsed) return Error{parsed.error()};
  auto flow = std::make_unique<Flow>();
  flow->rule = parsed->rule;
  flow->rule.target = qp.frames;
  flow->qp = &qp;
  flow->counters = parsed->counters;
  for (Counters* each : flow->counters) flow->rule.counts.push_back(&each->counts);
  Engine& self = engine();
  {
    auto guard = self.lane.hold();
    auto port = raw_port_of(*Context::from(qp.abi.qp_base.context).device);
    if (!port) return Error{port.error()};
    flow->port = *port;
    if (auto added = flow->port->add(flow->rule, self.router.poller()); !added) return Error{added.error()};
  }
  static std::atomic<uint32_t> handles{1};
  flow->abi.context = qp.abi.qp_base.context;
  flow->abi.handle = handles++;
  for (Counters* each : flow->counters) ++each->uses;
  ++qp.flows;
  return flow.release();
}

Result<void> destroy_flow(Flow& flow) {
  {
    auto guard = engine().lane.hold();
    flow.port->remove(flow.rule);
  }
  for (Counters* each : flow.counters) --each->uses;
  --flow.qp->flows;
  delete &flow;
  return {};
}

void count_into(Flow& flow, Counters& counters) {
  auto guard = engine().lane.hold();
  for (Counters* each : flow.counters) {
    if (each == &counters) return;
  }
  flow.counters.push_back(&counters);
  flow.rule.counts.push_back(&counters.counts);
  ++counters.uses;
}

}  // namespace vb
