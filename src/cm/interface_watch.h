// SPDX-License-Identifier: BSD-2-Clause
// Tells when a network interface goes away.
#pragma once

#include <cstdint>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace vb::cm {

class InterfaceWatch {
 public:
  Result<void> open();
  int fd() const { return fd_.get(); }
  /// The indexes of the interfaces that have gone since the last call. Does not block.
  std::vector<uint32_t> gone();

 private:
  Fd fd_;
};

}  // namespace vb::cm
