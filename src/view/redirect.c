/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of the C library that take a path, with the path replaced where the view answers it. Everything else,
 * errno, cancellation and the result, is the C library's. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "next.h"
#include "path.h"
#include "symbols.h"

#define VB_EXPORT __attribute__((visibility("default")))

/* Replaces `path` for the rest of the function. */
#define VB_SEE(path)        \
  struct vb_view_path seen; \
  path = vb_view_find(path, &seen)

/* A device node of ours is a link that must not show. */
static int follow(const struct vb_view_path* seen, int flags) {
  return seen->kind == VB_NODE ? flags & ~AT_SYMLINK_NOFOLLOW : flags;
}

#define VB_MODE(flags, mode)                              \
  mode_t mode = 0;                                        \
  if ((flags) & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) { \
    va_list arguments;                                    \
    va_start(arguments, flags);                           \
    mode = va_arg(arguments, mode_t);                     \
    va_end(arguments);                                    \
  }

VB_EXPORT int open(const char* path, int flags, ...) {
  VB_SEE(path);
  VB_MODE(flags, mode);
  return VB_NEXT(open)(path, flags, mode);
}

VB_EXPORT int open64(const char* path, int flags, ...) {
  VB_SEE(path);
  VB_MODE(flags, mode);
  return VB_NEXT(open64)(path, flags, mode);
}

VB_EXPORT int openat(int directory, const char* path, int flags, ...) {
  VB_SEE(path);
  VB_MODE(flags, mode);
  return VB_NEXT(openat)(directory, path, flags, mode);
}

VB_EXPORT int openat64(int directory, const char* path, int flags, ...) {
  VB_SEE(path);
  VB_MODE(flags, mode);
  return VB_NEXT(openat64)(directory, path, flags, mode);
}

/* The names that _FORTIFY_SOURCE calls. */
VB_EXPORT int __open_2(const char* path, int flags) {
  VB_SEE(path);
  return VB_NEXT(__open_2)(path, flags);
}

VB_EXPORT int __open64_2(const char* path, int flags) {
  VB_SEE(path);
  return VB_NEXT(__open64_2)(path, flags);
}

VB_EXPORT int __openat_2(int directory, const char* path, int flags) {
  VB_SEE(path);
  return VB_NEXT(__openat_2)(directory, path, flags);
}

VB_EXPORT int __openat64_2(int directory, const char* path, int flags) {
  VB_SEE(path);
  return VB_NEXT(__openat64_2)(directory, path, flags);
}

VB_EXPORT FILE* fopen(const char* path, const char* mode) {
  if (vb_view_hides_symbols(path, __builtin_return_address(0))) {
    errno = ENOENT;
    return NULL;
  }
  VB_SEE(path);
  return VB_NEXT(fopen)(path, mode);
}

VB_EXPORT FILE* fopen64(const char* path, const char* mode) {
  VB_SEE(path);
  return VB_NEXT(fopen64)(path, mode);
}

VB_EXPORT DIR* opendir(const char* path) {
  VB_SEE(path);
  return VB_NEXT(opendir)(path);
}

VB_EXPORT int scandir(const char* path, struct dirent*** list, int (*filter)(const struct dirent*),
                      int (*order)(const struct dirent**, const struct dirent**)) {
  VB_SEE(path);
  return VB_NEXT(scandir)(path, list, filter, order);
}

VB_EXPORT int scandir64(const char* path, struct dirent64*** list, int (*filter)(const struct dirent64*),
                        int (*order)(const struct dirent64**, const struct dirent64**)) {
  VB_SEE(path);
  return VB_NEXT(scandir64)(path, list, filter, order);
}

VB_EXPORT int chdir(const char* path) {
  VB_SEE(path);
  return VB_NEXT(chdir)(path);
}

VB_EXPORT int access(const char* path, int mode) {
  VB_SEE(path);
  return VB_NEXT(access)(path, mode);
}

VB_EXPORT int eaccess(const char* path, int mode) {
  VB_SEE(path);
  return VB_NEXT(eaccess)(path, mode);
}

VB_EXPORT int euidaccess(const char* path, int mode) {
  VB_SEE(path);
  return VB_NEXT(euidaccess)(path, mode);
}

VB_EXPORT int faccessat(int directory, const char* path, int mode, int flags) {
  VB_SEE(path);
  return VB_NEXT(faccessat)(directory, path, mode, follow(&seen, flags));
}

VB_EXPORT int stat(const char* path, struct stat* out) {
  VB_SEE(path);
  return VB_NEXT(stat)(path, out);
}

VB_EXPORT int stat64(const char* path, struct stat64* out) {
  VB_SEE(path);
  return VB_NEXT(stat64)(path, out);
}

VB_EXPORT int lstat(const char* path, struct stat* out) {
  VB_SEE(path);
  return seen.kind == VB_NODE ? VB_NEXT(stat)(path, out) : VB_NEXT(lstat)(path, out);
}

VB_EXPORT int lstat64(const char* path, struct stat64* out) {
  VB_SEE(path);
  return seen.kind == VB_NODE ? VB_NEXT(stat64)(path, out) : VB_NEXT(lstat64)(path, out);
}

VB_EXPORT int fstatat(int directory, const char* path, struct stat* out, int flags) {
  VB_SEE(path);
  return VB_NEXT(fstatat)(directory, path, out, follow(&seen, flags));
}

VB_EXPORT int fstatat64(int directory, const char* path, struct stat64* out, int flags) {
  VB_SEE(path);
  return VB_NEXT(fstatat64)(directory, path, out, follow(&seen, flags));
}

VB_EXPORT int statx(int directory, const char* path, int flags, unsigned mask, struct statx* out) {
  VB_SEE(path);
  return VB_NEXT(statx)(directory, path, follow(&seen, flags), mask, out);
}

/* What stat was called before version 2.33 of the C library: older programs call these. */
int __xstat(int version, const char* path, struct stat* out);
int __xstat64(int version, const char* path, struct stat64* out);
int __lxstat(int version, const char* path, struct stat* out);
int __lxstat64(int version, const char* path, struct stat64* out);
int __fxstatat(int version, int directory, const char* path, struct stat* out, int flags);
int __fxstatat64(int version, int directory, const char* path, struct stat64* out, int flags);

VB_EXPORT int __xstat(int version, const char* path, struct stat* out) {
  VB_SEE(path);
  return VB_NEXT(__xstat)(version, path, out);
}

VB_EXPORT int __xstat64(int version, const char* path, struct stat64* out) {
  VB_SEE(path);
  return VB_NEXT(__xstat64)(version, path, out);
}

VB_EXPORT int __lxstat(int version, const char* path, struct stat* out) {
  VB_SEE(path);
  return seen.kind == VB_NODE ? VB_NEXT(__xstat)(version, path, out) : VB_NEXT(__lxstat)(version, path, out);
}

VB_EXPORT int __lxstat64(int version, const char* path, struct stat64* out) {
  VB_SEE(path);
  return seen.kind == VB_NODE ? VB_NEXT(__xstat64)(version, path, out) : VB_NEXT(__lxstat64)(version, path, out);
}

VB_EXPORT int __fxstatat(int version, int directory, const char* path, struct stat* out, int flags) {
  VB_SEE(path);
  return VB_NEXT(__fxstatat)(version, directory, path, out, follow(&seen, flags));
}

VB_EXPORT int __fxstatat64(int version, int directory, const char* path, struct stat64* out, int flags) {
  VB_SEE(path);
  return VB_NEXT(__fxstatat64)(version, directory, path, out, follow(&seen, flags));
}

VB_EXPORT ssize_t getxattr(const char* path, const char* name, void* value, size_t size) {
  VB_SEE(path);
  return VB_NEXT(getxattr)(path, name, value, size);
}

VB_EXPORT ssize_t lgetxattr(const char* path, const char* name, void* value, size_t size) {
  VB_SEE(path);
  return VB_NEXT(lgetxattr)(path, name, value, size);
}
