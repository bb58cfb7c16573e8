/* SPDX-License-Identifier: BSD-2-Clause */
/* glibc's <errno.h> includes <linux/errno.h>, so this holds macros only. */
#ifndef KVERBS_LINUX_ERRNO_H
#define KVERBS_LINUX_ERRNO_H
#include <asm/errno.h>

#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define ENOIOCTLCMD 515
#define EPROBE_DEFER 517
#ifndef ENOTSUPP
#define ENOTSUPP 524
#endif

#endif
