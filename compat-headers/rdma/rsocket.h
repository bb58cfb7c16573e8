/* SPDX-License-Identifier: BSD-2-Clause */
/* The system's rdma/rsocket.h, with what newer releases declare. */
#ifndef VERBATIM_RDMA_RSOCKET_H
#define VERBATIM_RDMA_RSOCKET_H
#pragma GCC system_header
#include_next <rdma/rsocket.h>
#include <rdma/rsocket_newer.h>
#endif
