// SPDX-License-Identifier: BSD-2-Clause
// A plugin's host: opens the library, uses a device, closes the library, and does it again.
#include <dlfcn.h>
#include <infiniband/verbs.h>
#include <stdio.h>
#undef ibv_get_device_list

static void* find(void* library, const char* name) {
  void* symbol = dlsym(library, name);
  if (!symbol) printf("no %s\n", name);
  return symbol;
}

static int use(void) {
  void* library = dlopen("libibverbs.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) return puts(dlerror()), 1;
  struct ibv_device** (*list)(int*) = find(library, "ibv_get_device_list");
  void (*free_list)(struct ibv_device**) = find(library, "ibv_free_device_list");
  struct ibv_context* (*open)(struct ibv_device*) = find(library, "ibv_open_device");
  int (*close)(struct ibv_context*) = find(library, "ibv_close_device");
  struct ibv_pd* (*alloc)(struct ibv_context*) = find(library, "ibv_alloc_pd");
  int (*dealloc)(struct ibv_pd*) = find(library, "ibv_dealloc_pd");
  int count = 0;
  struct ibv_device** devices = list(&count);
  struct ibv_context* context = count ? open(devices[0]) : NULL;
  struct ibv_pd* pd = context ? alloc(context) : NULL;
  if (!pd) return puts("no device"), 1;
  free_list(devices);
  int status = dealloc(pd) || close(context) || dlclose(library);
  printf("used %d device(s), %d\n", count, status);
  return status;
}

int main(void) {
  for (int i = 0; i < 3; ++i) {
    if (use() != 0) return 1;
  }
  return 0;
}
