// SPDX-License-Identifier: BSD-2-Clause
#include "entry.h"

#include <unwind.h>

namespace vb::door {

void prepare_unwinding() {
  static const _Unwind_Reason_Code done =
      _Unwind_Backtrace([](_Unwind_Context*, void*) { return _URC_NORMAL_STOP; }, nullptr);
  (void)done;
}

}  // namespace vb::door
