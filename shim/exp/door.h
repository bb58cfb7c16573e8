// SPDX-License-Identifier: BSD-2-Clause
// The experimental verbs of MLNX_OFED: a table that stands below verbs_context (docs/experimental-verbs.md). Each
// function translates attributes and calls the engine, or the slot of today's table. Programs call it through inline
// functions; binary ones too, so layouts are those of compat-headers/exp.
#pragma once

#include <infiniband/verbs_exp.h>

#include "ibverbs/door.h"

namespace vb::exp {

using namespace vb::door;

// What works, by file.
void overlay_cqs(verbs_context_exp& table);
void overlay_dcts(verbs_context_exp& table);
void overlay_device(verbs_context_exp& table);
void overlay_device_memory(verbs_context_exp& table);
void overlay_erasure_coding(verbs_context_exp& table);
void overlay_environment(verbs_context_exp& table);
void overlay_flows(verbs_context_exp& table);
void overlay_interfaces(verbs_context_exp& table);
void overlay_posting(verbs_context_exp& table);
void overlay_qps(verbs_context_exp& table);
void overlay_regions(verbs_context_exp& table);
void overlay_srqs(verbs_context_exp& table);
void overlay_umr(verbs_context_exp& table);
void overlay_work_queues(verbs_context_exp& table);

/// Says once that something is not supported, and why. EOPNOTSUPP.
template <Name kWhat>
Error refuse() {
  report_unsupported<kWhat>();
  return Error{EOPNOTSUPP};
}

/// The access flags of today for those of the era. EOPNOTSUPP: sharing between processes.
Result<unsigned> access_of(uint64_t exp_access);

/// A resource domain. What is made in it holds a reference.
struct ResDomain {
  ibv_exp_res_domain abi{};
  std::shared_ptr<void> reference = std::make_shared<int>();

  static ResDomain& from(ibv_exp_res_domain* domain) { return *reinterpret_cast<ResDomain*>(domain); }
};

inline ibv_exp_res_domain* handle(ResDomain& domain) { return &domain.abi; }

}  // namespace vb::exp
