/* SPDX-License-Identifier: BSD-2-Clause */
/* The experimental verbs of MLNX_OFED 3.x and 4.x: names, values and layouts as libibverbs of MLNX_OFED 4.6 has them.
 *
 * This directory stands on no include path by itself, because many programs prefer these verbs as soon as they find
 * the header: cc -I <prefix>/include/verbatim/exp -I <prefix>/include/verbatim. docs/experimental-verbs.md says what
 * works. On a device that does not know them every call fails with ENOSYS, in the form of its own:
 *   a pointer    NULL, and errno            int    ENOSYS, or where a count is returned -ENOSYS */
#ifndef VERBATIM_INFINIBAND_VERBS_EXP_H
#define VERBATIM_INFINIBAND_VERBS_EXP_H
#pragma GCC system_header

#include <infiniband/verbs_exp/base.h>
#include <infiniband/verbs_exp/calc.h>
#include <infiniband/verbs_exp/context.h>
#include <infiniband/verbs_exp/cq.h>
#include <infiniband/verbs_exp/dct.h>
#include <infiniband/verbs_exp/device.h>
#include <infiniband/verbs_exp/flow.h>
#include <infiniband/verbs_exp/interface.h>
#include <infiniband/verbs_exp/memory.h>
#include <infiniband/verbs_exp/port.h>
#include <infiniband/verbs_exp/qp.h>
#include <infiniband/verbs_exp/srq.h>
#include <infiniband/verbs_exp/wq.h>
#include <infiniband/verbs_exp/wr.h>

#include <infiniband/verbs_exp/call_data.h>
#include <infiniband/verbs_exp/call_memory.h>
#include <infiniband/verbs_exp/call_objects.h>
#include <infiniband/verbs_exp/call_rest.h>

#endif
