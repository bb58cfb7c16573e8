// SPDX-License-Identifier: BSD-2-Clause
// Uses every device it finds, and private symbols as provider libraries do.
#include <dlfcn.h>
#include <infiniband/verbs.h>
#include <stdio.h>

static void use_device(struct ibv_device* device) {
  printf("device %s guid %llx\n", ibv_get_device_name(device), (unsigned long long)ibv_get_device_guid(device));
  struct ibv_context* context = ibv_open_device(device);
  if (!context) return;
  struct ibv_pd* pd = ibv_alloc_pd(context);
  printf("pd %s\n", pd && pd->context == context ? "of this device" : "wrong");
  printf("dealloc %d\n", pd ? ibv_dealloc_pd(pd) : -1);
  printf("close %d\n", ibv_close_device(context));
}

static void* private_symbol(const char* name) { return dlvsym(RTLD_DEFAULT, name, "IBVERBS_PRIVATE_34"); }

/// Eight integers and, in a variadic call, more than one kind of register must arrive.
static void use_private_symbols(void) {
  int (*sum)(long, long, long, long, long, long, long, long) = private_symbol("ibv_cmd_reg_mr");
  void (*log)(void*, unsigned, const char*, ...) = private_symbol("__verbs_log");
  const char* allow = private_symbol("verbs_allow_disassociate_destroy");
  for (int round = 0; round < 2; ++round) {
    printf("sum %d\n", sum(1, 2, 3, 4, 5, 6, 7, 8));
    log(NULL, 5, "%d %.2f %s %.1f %d %d\n", 1, 2.25, "three", 4.5, 5, 6);
  }
  printf("allow %d\n", *allow);
  int (*absent)(void) = private_symbol("ibv_cmd_dereg_mr");
  printf("absent %d\n", absent());
  printf("absent %d\n", absent());
}

int main(int argc, char** argv) {
  (void)argv;
  printf("fork %d\n", ibv_fork_init());
  int count = -1;
  struct ibv_device** list = ibv_get_device_list(&count);
  printf("count %d\n", count);
  for (int i = 0; list && list[i]; ++i) use_device(list[i]);
  if (list) ibv_free_device_list(list);
  if (argc > 1) use_private_symbols();
  return 0;
}
