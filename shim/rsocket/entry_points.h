// SPDX-License-Identifier: BSD-2-Clause
// The entry points of both doors, called from inside as a program calls them from outside: rsockets are a program on
// top of verbs and the connection manager.
#pragma once

#include "ibverbs/unlisted.h"

#include <rdma/rdma_cma.h>
#include <rdma/rdma_cma_newer.h>
#include <rdma/rdma_verbs.h>
#include <rdma/rsocket.h>
#include <rdma/rsocket_newer.h>

#include "ibverbs_native.h"
#include "rdmacm_native.h"

namespace vb::door {

/// An identifier of our own devices, whatever its address: what rsockets say to each other the system's do not know.
void keep_to_ours(rdma_cm_id* id);

}  // namespace vb::door
