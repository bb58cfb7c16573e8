// SPDX-License-Identifier: BSD-2-Clause
// The mark of a thread that is inside our own call into libfabric. libfabric's verbs and efa providers list and open
// verbs devices themselves, and in this process those calls reach our doors: under the mark they see native devices
// only. The system's librdmacm lists devices for itself as well: its calls stand under the same mark.
#pragma once

#include "base/export.h"

namespace vb::native {

/// Stand one around each fi_* call, and each call of the system's librdmacm, that may list, open or close verbs
/// devices. Nests.
class InsideFabric {
 public:
  VB_API InsideFabric();
  VB_API ~InsideFabric();
  InsideFabric(const InsideFabric&) = delete;
  InsideFabric& operator=(const InsideFabric&) = delete;
};

VB_API bool inside_fabric();

}  // namespace vb::native
