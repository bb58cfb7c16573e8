/* SPDX-License-Identifier: BSD-2-Clause */
#include <kverbs/dma.h>
