/* SPDX-License-Identifier: BSD-2-Clause */
/* What librdmacm declares since release 60 (RDMACM_1.4), for C and C++. VERBATIM_SYSTEM_RDMACM is the release that the
 * system's own header is of. */
#ifndef VERBATIM_RDMA_RDMA_CMA_NEWER_H
#define VERBATIM_RDMA_RDMA_CMA_NEWER_H

#include <infiniband/verbatim_system.h>
#include <rdma/rdma_cma.h>
#include <stdint.h>

#if VERBATIM_SYSTEM_RDMACM < 60
#ifdef __cplusplus
extern "C" {
#endif

#define RDMA_CM_EVENT_ADDRINFO_RESOLVED ((enum rdma_cm_event_type)16)
#define RDMA_CM_EVENT_ADDRINFO_ERROR ((enum rdma_cm_event_type)17)
#define RDMA_CM_EVENT_USER ((enum rdma_cm_event_type)18)
#define RDMA_CM_EVENT_INTERNAL ((enum rdma_cm_event_type)19)

#define RAI_SA 0x00000010
#define RAI_DNS 0x00000020

/* Asks for what rdma_getaddrinfo gives, and returns at once: the outcome is an event, ADDRINFO_RESOLVED or
 * ADDRINFO_ERROR with an EAI_* value or a negative errno as its status. An identifier without a channel waits for it.
 * -1 and errno: EINVAL, EOPNOTSUPP for RAI_SA. rdma_resolve_addrinfo(3). */
int rdma_resolve_addrinfo(struct rdma_cm_id* id, const char* node, const char* service,
                          const struct rdma_addrinfo* hints);
/* A copy of what was found last, for rdma_freeaddrinfo. -1 and errno: ENODATA. rdma_query_addrinfo(3). */
int rdma_query_addrinfo(struct rdma_cm_id* id, struct rdma_addrinfo** info);
/* Puts an event of the type RDMA_CM_EVENT_USER into the identifier's channel. -1 and errno: EINVAL for another type.
 * rdma_write_cm_event(3). */
int rdma_write_cm_event(struct rdma_cm_id* id, enum rdma_cm_event_type event, int status, uint64_t arg);

/* What such an event says in param.arg. */
static inline uint64_t verbatim_event_arg(const struct rdma_cm_event* event) {
  return *(const uint64_t*)(const void*)&event->param;
}

#ifdef __cplusplus
}
#endif
#endif

#endif
