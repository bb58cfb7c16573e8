// SPDX-License-Identifier: BSD-2-Clause
// ibv_comp_cntr: completion counters.
#pragma once

#include <infiniband/verbs.h>
#include <infiniband/verbs_newer.h>

#include <atomic>

#include "base/export.h"
#include "base/result.h"
#include "transport/comp_counter.h"
#include "verbs/qp.h"

namespace vb {

struct CompCntr {
  ibv_comp_cntr abi{};
  CompletionCounter counter;
  std::atomic<int> uses{0};  ///< attachments

  static CompCntr& from(ibv_comp_cntr* counter) { return *reinterpret_cast<CompCntr*>(counter); }
};

VB_API ibv_comp_cntr_caps comp_cntr_caps();
/// EOPNOTSUPP: attributes or a type that are not known. EINVAL: flags. ENOMEM: as many as the capabilities allow exist.
VB_API Result<CompCntr*> create_comp_cntr(Context& context, const ibv_comp_cntr_init_attr& attr);
VB_API Result<void> destroy_comp_cntr(CompCntr& counter);  ///< EBUSY while attached
/// What a counter shows now. Makes progress first, as polling a CQ does.
VB_API uint64_t read_comp_cntr(CompCntr& counter);
VB_API uint64_t read_err_comp_cntr(CompCntr& counter);
/// EINVAL: not RESET nor INIT, no operation, or of another device. EBUSY: an operation has a counter. EOPNOTSUPP: an
/// operation that is not known.
VB_API Result<void> attach_comp_cntr(Qp& qp, CompCntr& counter, const ibv_qp_attach_comp_cntr_attr& attr);
/// When a QP goes. Nothing counts for it any more.
void detach_comp_cntrs(Qp& qp);

}  // namespace vb
