// SPDX-License-Identifier: BSD-2-Clause
// What every file of this door includes. An entry point reads: whose object, the handle's own object, one call, the
// error. native_<name> is the system library's function of that name; ibv_<name> is our own entry point of libibverbs,
// so that what hangs at an identifier (context, PD, QP, CQs) are ordinary verbs objects.
#pragma once

#include <rdma/rdma_cma.h>
#include <rdma/rdma_cma_newer.h>
#include <rdma/rdma_verbs.h>
#include <rdma/rsocket.h>
#include <rdma/rsocket_newer.h>

#include "ibverbs/unlisted.h"

#include "entry.h"
#include "event.h"
#include "ibverbs_native.h"
#include "id.h"
#include "rdmacm_native.h"
