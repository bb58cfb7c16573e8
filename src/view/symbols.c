/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbols.h"

#include <dirent.h>
#include <dlfcn.h>
#include <string.h>

static int is_in_libfabric(const void* address) {
  static const char name[] = "libfabric.so";
  Dl_info info;
  if (!dladdr(address, &info) || !info.dli_fname) return 0;
  const char* slash = strrchr(info.dli_fname, '/');
  return strncmp(slash ? slash + 1 : info.dli_fname, name, sizeof name - 1) == 0;
}

/* Each device that programs can use has an entry here, and the view adds none. */
static int has_native_device(void) {
  DIR* directory = opendir("/sys/class/infiniband_verbs");
  int found = 0;
  for (const struct dirent* entry; directory && !found && (entry = readdir(directory));) {
    found = strncmp(entry->d_name, "uverbs", 6) == 0;
  }
  if (directory) closedir(directory);
  return found;
}

int vb_view_hides_symbols(const char* path, const void* caller) {
  return path && strcmp(path, "/proc/kallsyms") == 0 && is_in_libfabric(caller) && !has_native_device();
}
