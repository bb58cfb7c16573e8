// SPDX-License-Identifier: BSD-2-Clause
// XRC as OFED had it: receiving QPs that a domain owns. Their asynchronous events name them by number.
#pragma once

#include <infiniband/ofa_verbs.h>

namespace vb::door {

/// An event about a receiving QP becomes one about its number, with IBV_XRC_QP_EVENT_FLAG.
void name_by_number(ibv_async_event& event);
/// The way back, for the acknowledgement.
void name_by_object(ibv_async_event& event);

}  // namespace vb::door
