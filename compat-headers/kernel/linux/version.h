/* SPDX-License-Identifier: BSD-2-Clause */
/* The API level of this translation unit. -D'LINUX_VERSION_CODE=KERNEL_VERSION(3,10,0)' chooses it; the newest is the
 * default. Distributions carry the RDMA stack of a later kernel: VERBATIM_API_LEVEL then names that one. */
#ifndef KVERBS_LINUX_VERSION_H
#define KVERBS_LINUX_VERSION_H

#ifndef KERNEL_VERSION
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))
#endif
#ifndef LINUX_VERSION_CODE
#define LINUX_VERSION_CODE KERNEL_VERSION(7, 0, 0)
#endif
#ifndef VERBATIM_API_LEVEL
#define VERBATIM_API_LEVEL LINUX_VERSION_CODE
#endif

/* With VERBATIM_KEEP_VANISHED nothing vanishes: interfaces that were removed stay beside those that replaced them,
 * except where the two cannot both exist (struct ib_send_wr). */
#ifdef VERBATIM_KEEP_VANISHED
#define KV_KEEP 1
#else
#define KV_KEEP 0
#endif

#define KV_SINCE(a, b, c) (VERBATIM_API_LEVEL >= KERNEL_VERSION(a, b, c))
#define KV_BEFORE(a, b, c) (VERBATIM_API_LEVEL < KERNEL_VERSION(a, b, c))
#define KV_UNTIL(a, b, c) (KV_KEEP || KV_BEFORE(a, b, c))

#endif
