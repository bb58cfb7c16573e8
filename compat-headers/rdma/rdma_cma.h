/* SPDX-License-Identifier: BSD-2-Clause */
/* The system's rdma/rdma_cma.h, with what newer releases declare. */
#ifndef VERBATIM_RDMA_RDMA_CMA_H
#define VERBATIM_RDMA_RDMA_CMA_H
#pragma GCC system_header
#include_next <rdma/rdma_cma.h>
#include <rdma/rdma_cma_newer.h>
#endif
