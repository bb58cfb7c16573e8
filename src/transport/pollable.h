// SPDX-License-Identifier: BSD-2-Clause
// What the helper's epoll wakes.
#pragma once

#include <cstdint>

namespace vb {

class Pollable {
 public:
  /// `events`: of epoll. Lane's lock held. May delete itself.
  virtual void ready(uint32_t events) = 0;

 protected:
  ~Pollable() = default;
};

}  // namespace vb
