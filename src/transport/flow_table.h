// SPDX-License-Identifier: BSD-2-Clause
// The steering rules of one port: which of them a frame is for. Lane's lock held.
#pragma once

#include <vector>

#include "transport/flow_rule.h"

namespace vb {

/// What a port knows of a frame that it has received.
struct FrameInfo {
  bool checksums_good = false;  ///< IPv4 and TCP/UDP, of those that are there
  bool is_ip = false;
  bool loops = false;  ///< sent through this port, to this port's own address or a group; or received from the link
  uint32_t tag = 0;
};

/// Who receives frames: a queue pair, a work queue, or a table of work queues.
class FrameTarget {
 public:
  virtual void deliver(const ether::Frame& frame, const FrameInfo& info) = 0;

 protected:
  ~FrameTarget() = default;
};

class FlowTable {
 public:
  /// The rule stays where it is until it is removed.
  void add(FlowRule& rule);
  void remove(FlowRule& rule);
  bool empty() const { return sniffers_.empty() && rules_.empty() && defaults_.empty(); }

  /// Hands the frame to every target that it is for. Sniffers see all of it. Of the other rules the first by priority
  /// takes the frame, together with those that are alike; a rule that passes on lets lower ones look as well. What no
  /// rule has taken goes to the default rules.
  void steer(const ether::Frame& frame, const FrameInfo& info);

 private:
  static void apply(const FlowRule& rule, const ether::Frame& frame, FrameInfo info);
  bool steer_by_rules(const ether::Frame& frame, const FrameInfo& info);

  std::vector<FlowRule*> sniffers_;
  std::vector<FlowRule*> rules_;  ///< the highest priority first, then the oldest
  std::vector<FlowRule*> defaults_;
};

}  // namespace vb
