/* SPDX-License-Identifier: BSD-2-Clause */
#include <kverbs/memory.h>
#include <kverbs/net.h>
