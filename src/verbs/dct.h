// SPDX-License-Identifier: BSD-2-Clause
// DC targets, of MLNX_OFED's experimental verbs: transport/dc_target.h.
#pragma once

#include <infiniband/verbs.h>

#include "base/export.h"
#include "base/result.h"
#include "transport/dc_target.h"
#include "verbs/cq.h"
#include "verbs/pd.h"
#include "verbs/srq.h"

namespace vb {

struct DctAttributes {
  Pd* pd = nullptr;
  Cq* cq = nullptr;    ///< completes what is received
  Srq* srq = nullptr;  ///< holds the receives: a basic one
  uint64_t key = 0;    ///< what an initiator must know
  unsigned access = 0;
  uint8_t min_rnr_timer = 0;
  void* element = nullptr;  ///< what its asynchronous events name
};

struct Dct final : DcTarget::Listener {
  Dct(Context& context, const DctAttributes& attributes);

  Context& context;
  const DctAttributes attributes;
  DcTarget transport;
  bool armed = true;  ///< a wrong key makes an event, and disarms. Lane's lock

  void key_violated() override;
  void refused(ibv_event_type type) override;
};

/// Asynchronous events of the era: element.dct.
inline constexpr int kDctKeyViolation = 32;
inline constexpr int kDctAccessError = 33;
inline constexpr int kDctRequestError = 34;

/// EINVAL: no PD, CQ or SRQ, or one of another context, or an SRQ that is not basic; a timer above 31.
VB_API Result<Dct*> create_dct(Context& context, const DctAttributes& attributes);
/// Waits until nothing touches memory through it.
VB_API Result<void> destroy_dct(Dct& dct);
/// How many requests had a wrong key.
VB_API uint32_t key_violations(Dct& dct);
/// The next wrong key makes an event again.
VB_API void arm_dct(Dct& dct);

}  // namespace vb
