/* SPDX-License-Identifier: BSD-2-Clause */
/* Byte order and barriers, as until release 13, and without the system header's warning. */
#ifndef INFINIBAND_ARCH_H
#define INFINIBAND_ARCH_H

#include <endian.h>
#include <stdint.h>

#ifndef ntohll
static inline uint64_t htonll(uint64_t value) { return htobe64(value); }
static inline uint64_t ntohll(uint64_t value) { return be64toh(value); }
#define htonll htonll
#define ntohll ntohll
#endif

#ifndef mb
#define mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#define wc_wmb() mb()
#endif

#endif
