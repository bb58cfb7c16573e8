// SPDX-License-Identifier: BSD-2-Clause
// A program that never uses verbs: prints how many threads and which of our files it has anyway.
//   idle query   the same, but it has listed the devices before, and opened and queried the first: by a plugin's way
#include <dlfcn.h>
#include <infiniband/verbs.h>
#include <stdio.h>
#include <string.h>
#undef ibv_get_device_list
#undef ibv_query_port

static void print_lines(const char* path, const char* word) {
  char line[1024];
  FILE* file = fopen(path, "r");
  while (file && fgets(line, sizeof line, file)) {
    if (strstr(line, word)) fputs(line, stdout);
  }
  if (file) fclose(file);
}

static int query(void) {
  struct ibv_device** (*list)(int*) = dlsym(RTLD_DEFAULT, "ibv_get_device_list");
  struct ibv_context* (*open)(struct ibv_device*) = dlsym(RTLD_DEFAULT, "ibv_open_device");
  int (*query_device)(struct ibv_context*, struct ibv_device_attr*) = dlsym(RTLD_DEFAULT, "ibv_query_device");
  int (*query_port)(struct ibv_context*, uint8_t, void*) = dlsym(RTLD_DEFAULT, "ibv_query_port");
  int (*query_gid)(struct ibv_context*, uint8_t, int, union ibv_gid*) = dlsym(RTLD_DEFAULT, "ibv_query_gid");
  struct ibv_device** devices = list(NULL);
  struct ibv_context* context = devices ? open(devices[0]) : NULL;
  struct ibv_device_attr device;
  struct ibv_port_attr port;
  union ibv_gid gid;
  if (!context || query_device(context, &device) || query_port(context, 1, &port) || query_gid(context, 1, 0, &gid))
    return 1;
  printf("port %d\n", port.state);
  return 0;
}

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "query") == 0 && query() != 0) return 1;
  print_lines("/proc/self/status", "Threads:");
  print_lines("/proc/self/maps", "libfabric");
  print_lines("/proc/self/maps", "libibverbs");
  return 0;
}
