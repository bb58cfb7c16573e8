/* SPDX-License-Identifier: BSD-2-Clause */
#include "path.h"

#include <stdlib.h>
#include <string.h>

/* Where the view's copy of / is: set once, before main. Empty: there is none, and every path is the system's. */
static char root[VB_VIEW_PATH_MAX / 2];
static size_t root_length;

__attribute__((constructor)) static void read_root(void) {
  const char* given = secure_getenv("VERBATIM_VIEW");
  if (!given || given[0] != '/' || strlen(given) >= sizeof(root)) return;
  root_length = strlen(given);
  memcpy(root, given, root_length + 1);
}

struct rule {
  const char* directory;
  size_t length;
  int listed;          /* the directory itself is ours, too: it lists our devices beside the system's */
  const char* entries; /* what our entries begin with */
  size_t digits;       /* and how many digits follow at least: the kernel's numbers are smaller than ours */
  enum vb_view_kind kind;
};

/* The kernel's class of uverbs devices is not listed from here: libibverbs looks for native devices there. */
static const struct rule rules[] = {
    {"/sys/class/infiniband", 21, 1, "vb_", 0, VB_VIEW},
    {"/sys/class/infiniband_verbs", 27, 0, "uverbs", 4, VB_VIEW},
    {"/dev/infiniband", 15, 1, "uverbs", 4, VB_NODE},
};

/* The directory itself, or its parent, which has only what the view has: as listings ask for them. */
static int is_dots(const char* name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

static int is_our_entry(const char* name, const struct rule* rule) {
  const size_t length = strlen(rule->entries);
  if (strncmp(name, rule->entries, length) != 0) return 0;
  return strspn(name + length, "0123456789") >= rule->digits;
}

static enum vb_view_kind kind_of(const char* path, const struct rule* rule) {
  if (strncmp(path, rule->directory, rule->length) != 0) return VB_SYSTEM;
  const char* rest = path + rule->length;
  if (*rest != '\0' && *rest != '/') return VB_SYSTEM;
  rest += strspn(rest, "/");
  if (*rest == '\0' || is_dots(rest)) return rule->listed ? VB_VIEW : VB_SYSTEM;
  return is_our_entry(rest, rule) ? rule->kind : VB_SYSTEM;
}

static enum vb_view_kind classify(const char* path) {
  if (root_length == 0 || !path || path[0] != '/' || (path[1] != 's' && path[1] != 'd')) return VB_SYSTEM;
  for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); ++i) {
    const enum vb_view_kind kind = kind_of(path, &rules[i]);
    if (kind != VB_SYSTEM) return kind;
  }
  return VB_SYSTEM;
}

const char* vb_view_find(const char* path, struct vb_view_path* out) {
  out->kind = classify(path);
  out->path = path;
  if (out->kind == VB_SYSTEM) return path;
  const size_t length = strlen(path);
  if (root_length + length >= sizeof(out->buffer)) {
    out->kind = VB_SYSTEM;
    return path;
  }
  memcpy(out->buffer, root, root_length);
  memcpy(out->buffer + root_length, path, length + 1);
  out->path = out->buffer;
  return out->path;
}

const char* vb_view_name(const char* path) {
  if (root_length == 0 || strncmp(path, root, root_length) != 0 || path[root_length] != '/') return NULL;
  return path + root_length;
}
