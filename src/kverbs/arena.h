/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory that kernel-style allocation gives: one shared mapping of a file without a name, so that any of its pages
 * can be mapped again elsewhere. */
#ifndef KVERBS_ARENA_H
#define KVERBS_ARENA_H
#include <kverbs/memory.h>

/** Whether all of [address, address + length) lies in the arena. */
bool arena_holds(u64 address, u64 length);
u64 arena_base(void);
u64 arena_size(void);

/* A stretch of memory, as a list of pages or of scatterlist entries names it. */
struct piece {
  u64 address, length;
};

/* The same memory as one range: itself, or a second mapping of its pages. */
struct range {
  void* address;
  size_t length;
  void* alias; /* what release_range unmaps, or NULL */
  size_t alias_length;
};

/** Makes one range of pieces. Pieces that do not follow each other must meet at page boundaries and lie in the arena:
 * -EINVAL otherwise. Thread safe. */
int make_range(const struct piece* pieces, int n, struct range* range);
void release_range(struct range* range);

#endif
