/* SPDX-License-Identifier: BSD-2-Clause */
/* <sys/sysinfo.h> wants the system's own as well. */
#include <kverbs/base.h>

#include_next <linux/kernel.h>
