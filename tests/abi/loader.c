// SPDX-License-Identifier: BSD-2-Clause
// Reaches libibverbs in every way a program can, and prints for each which file it reached.
#include <dlfcn.h>
#include <infiniband/verbs.h>
#include <stdio.h>

static void report(const char* way, void* address) {
  Dl_info info;
  const int known = address && dladdr(address, &info);
  printf("%s %s\n", way, known ? info.dli_fname : "nothing");
}

static void open_and_report(const char* way, const char* name) {
  void* library = dlopen(name, RTLD_NOW);
  report(way, library ? dlsym(library, "ibv_get_device_list") : NULL);
}

int main(void) {
  int count = 0;
  struct ibv_device** list = ibv_get_device_list(&count);
  report("needed", (void*)ibv_get_device_name);
  open_and_report("dlopen", "libibverbs.so");
  open_and_report("dlopen.1", "libibverbs.so.1");
  void* library = dlopen("libibverbs.so.1", RTLD_NOW);
  report("dlvsym-1.1", library ? dlvsym(library, "ibv_open_device", "IBVERBS_1.1") : NULL);
  report("dlvsym-1.0", library ? dlvsym(library, "ibv_open_device", "IBVERBS_1.0") : NULL);
  for (int i = 0; i < count; ++i) printf("device %s\n", ibv_get_device_name(list[i]));
  if (list) ibv_free_device_list(list);
  return 0;
}
