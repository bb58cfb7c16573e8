// SPDX-License-Identifier: BSD-2-Clause
// Owning pointers for verbs objects: what a test makes is destroyed, in reverse order, when it ends.
#pragma once

#include <infiniband/verbs.h>

#include <memory>

namespace vt {

template <auto Destroy>
struct VerbsDeleter {
  template <class T>
  void operator()(T* object) const {
    (void)Destroy(object);
  }
};

using ContextPtr = std::unique_ptr<ibv_context, VerbsDeleter<ibv_close_device>>;
using PdPtr = std::unique_ptr<ibv_pd, VerbsDeleter<ibv_dealloc_pd>>;
using MrPtr = std::unique_ptr<ibv_mr, VerbsDeleter<ibv_dereg_mr>>;
using MwPtr = std::unique_ptr<ibv_mw, VerbsDeleter<ibv_dealloc_mw>>;
using DmPtr = std::unique_ptr<ibv_dm, VerbsDeleter<ibv_free_dm>>;
using ChannelPtr = std::unique_ptr<ibv_comp_channel, VerbsDeleter<ibv_destroy_comp_channel>>;
using CqPtr = std::unique_ptr<ibv_cq, VerbsDeleter<ibv_destroy_cq>>;
inline int close_xrcd(ibv_xrcd* xrcd) { return ibv_close_xrcd(xrcd); }
using XrcdPtr = std::unique_ptr<ibv_xrcd, VerbsDeleter<close_xrcd>>;
using SrqPtr = std::unique_ptr<ibv_srq, VerbsDeleter<ibv_destroy_srq>>;
using QpPtr = std::unique_ptr<ibv_qp, VerbsDeleter<ibv_destroy_qp>>;
using AhPtr = std::unique_ptr<ibv_ah, VerbsDeleter<ibv_destroy_ah>>;

}  // namespace vt
