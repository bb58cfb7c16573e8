/* SPDX-License-Identifier: BSD-2-Clause */
/* Which paths the view answers, and where its files are. Part of a preload: nothing here allocates, locks, or changes
 * errno, and all of it may run in a signal handler or between fork and exec. */
#pragma once

#include <stddef.h>

/* Longer paths cannot be ours, and go to the system as they are. */
#define VB_VIEW_PATH_MAX 1024

enum vb_view_kind {
  VB_SYSTEM, /* not ours */
  VB_VIEW,   /* a file or directory of the view */
  VB_NODE,   /* a device node: the view has a link to a harmless one, that must not look like a link */
};

struct vb_view_path {
  enum vb_view_kind kind;
  const char* path; /* what to give to the system: the caller's own, or `buffer` */
  char buffer[VB_VIEW_PATH_MAX];
};

/* Fills `*out`; gives out->path. `path` may be NULL, and must outlive `*out`. */
const char* vb_view_find(const char* path, struct vb_view_path* out);

/* A path of the view as the program knows it: a suffix of `path`; NULL when it is none of the view. */
const char* vb_view_name(const char* path);
