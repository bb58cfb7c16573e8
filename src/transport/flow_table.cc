// SPDX-License-Identifier: BSD-2-Clause
#include "transport/flow_table.h"

#include <algorithm>

namespace vb {

void FlowTable::add(FlowRule& rule) {
  switch (rule.type) {
    case IBV_FLOW_ATTR_SNIFFER: return sniffers_.push_back(&rule);
    case IBV_FLOW_ATTR_ALL_DEFAULT:
    case IBV_FLOW_ATTR_MC_DEFAULT: return defaults_.push_back(&rule);
    case IBV_FLOW_ATTR_NORMAL: break;
  }
  const auto lower = [](const FlowRule* a, const FlowRule* b) { return a->priority < b->priority; };
  rules_.insert(std::upper_bound(rules_.begin(), rules_.end(), &rule, lower), &rule);
}

void FlowTable::remove(FlowRule& rule) {
  std::erase(sniffers_, &rule);
  std::erase(rules_, &rule);
  std::erase(defaults_, &rule);
}

void FlowTable::apply(const FlowRule& rule, const ether::Frame& frame, FrameInfo info) {
  rule.count(frame.bytes.size());
  if (rule.drop || !rule.target) return;
  info.tag = rule.tag;
  rule.target->deliver(frame, info);
}

bool FlowTable::steer_by_rules(const ether::Frame& frame, const FrameInfo& info) {
  for (size_t i = 0; i < rules_.size(); ++i) {
    const FlowRule& rule = *rules_[i];
    if (!rule.applies(frame)) continue;
    apply(rule, frame, info);
    if (rule.passes_on) continue;
    for (size_t k = i + 1; k < rules_.size() && rules_[k]->priority == rule.priority; ++k) {
      if (rules_[k]->alike(rule)) apply(*rules_[k], frame, info);
    }
    return true;
  }
  return false;
}

void FlowTable::steer(const ether::Frame& frame, const FrameInfo& info) {
  for (const FlowRule* rule : sniffers_) apply(*rule, frame, info);
  if (!info.loops || steer_by_rules(frame, info)) return;
  for (const FlowRule* rule : defaults_) {
    if (rule->type == IBV_FLOW_ATTR_ALL_DEFAULT || frame.multicast()) apply(*rule, frame, info);
  }
}

}  // namespace vb
