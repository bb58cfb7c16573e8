/* SPDX-License-Identifier: BSD-2-Clause */
/* The system's infiniband/verbs.h, with what newer releases declare and what older ones had.
 *
 * Define VERBATIM_PLAIN_FUNCTIONS before the first inclusion where functions must be functions: ibv_reg_mr,
 * ibv_reg_mr_iova, ibv_query_port and ibv_get_device_list are macros since 2011, which breaks members, namespaces and
 * wrappers of these names. ibv_query_port is then the one of version 1.1: it fills in the first 48 bytes. */
#ifndef VERBATIM_INFINIBAND_VERBS_H
#define VERBATIM_INFINIBAND_VERBS_H
#pragma GCC system_header

#ifdef VERBATIM_PLAIN_FUNCTIONS
#define _compat_ibv_port_attr ibv_port_attr
#endif
#include_next <infiniband/verbs.h>
#ifdef VERBATIM_PLAIN_FUNCTIONS
#undef _compat_ibv_port_attr
#undef ibv_reg_mr
#undef ibv_reg_mr_iova
#undef ibv_query_port
#undef ibv_get_device_list
#endif

#include <infiniband/verbs_newer.h>

/* Until release 16. */
#ifndef BEGIN_C_DECLS
#ifdef __cplusplus
#define BEGIN_C_DECLS extern "C" {
#define END_C_DECLS }
#else
#define BEGIN_C_DECLS
#define END_C_DECLS
#endif
#endif

/* Until release 17. */
#ifndef container_of
#define container_of(pointer, type, field) ((type*)((uintptr_t)(pointer)-offsetof(type, field)))
#endif

/* Until release 29: loopback is what flow rules do anyway. */
#ifndef IBV_FLOW_ATTR_FLAGS_ALLOW_LOOP_BACK
#define IBV_FLOW_ATTR_FLAGS_ALLOW_LOOP_BACK (1 << 0)
#endif

/* Until release 32. */
#ifndef IBV_REREG_MR_KEEP_VALID
#define IBV_REREG_MR_KEEP_VALID (1 << 3)
#endif

#endif
