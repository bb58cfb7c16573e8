/* SPDX-License-Identifier: BSD-2-Clause */
/* readlink and realpath: here the view shows in the answer as well, unless it is taken out. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "next.h"
#include "path.h"

#define VB_EXPORT __attribute__((visibility("default")))

/* A device node is no link. Its stat tells whether it is there. */
static ssize_t not_a_link(const char* path) {
  if (VB_NEXT(access)(path, F_OK) == 0) errno = EINVAL;
  return -1;
}

VB_EXPORT ssize_t readlink(const char* path, char* out, size_t size) {
  struct vb_view_path seen;
  path = vb_view_find(path, &seen);
  return seen.kind == VB_NODE ? not_a_link(path) : VB_NEXT(readlink)(path, out, size);
}

VB_EXPORT ssize_t readlinkat(int directory, const char* path, char* out, size_t size) {
  struct vb_view_path seen;
  path = vb_view_find(path, &seen);
  return seen.kind == VB_NODE ? not_a_link(path) : VB_NEXT(readlinkat)(directory, path, out, size);
}

/* The names that _FORTIFY_SOURCE calls. They check that the result fits into the caller's buffer. */
ssize_t __readlink_chk(const char* path, char* out, size_t size, size_t room);
ssize_t __readlinkat_chk(int directory, const char* path, char* out, size_t size, size_t room);
char* __realpath_chk(const char* path, char* resolved, size_t room);

VB_EXPORT ssize_t __readlink_chk(const char* path, char* out, size_t size, size_t room) {
  if (size > room) abort();
  return readlink(path, out, size);
}

VB_EXPORT ssize_t __readlinkat_chk(int directory, const char* path, char* out, size_t size, size_t room) {
  if (size > room) abort();
  return readlinkat(directory, path, out, size);
}

static char* give(const char* name, char* resolved) { return resolved ? strcpy(resolved, name) : strdup(name); }

VB_EXPORT char* realpath(const char* path, char* resolved) {
  struct vb_view_path seen;
  const char* inside = vb_view_find(path, &seen);
  if (seen.kind == VB_SYSTEM) return VB_NEXT(realpath)(path, resolved);
  char real[PATH_MAX];
  if (!VB_NEXT(realpath)(inside, real)) return NULL;
  if (seen.kind == VB_NODE) return give(path, resolved);
  const char* name = vb_view_name(real);
  return give(name ? name : real, resolved);
}

VB_EXPORT char* __realpath_chk(const char* path, char* resolved, size_t room) {
  if (room < PATH_MAX) abort();
  return realpath(path, resolved);
}

VB_EXPORT char* canonicalize_file_name(const char* path) { return realpath(path, NULL); }
