// SPDX-License-Identifier: BSD-2-Clause
// Compiles as C and as C++ with compat-headers: what programs of older releases included and named. It runs as well.
#define VERBATIM_PLAIN_FUNCTIONS
#include <infiniband/arch.h>
#include <infiniband/driver.h>
#include <infiniband/marshall.h>
#include <infiniband/verbs.h>
#include <stdio.h>
#include <string.h>

#if defined(ibv_reg_mr) || defined(ibv_reg_mr_iova) || defined(ibv_query_port) || defined(ibv_get_device_list)
#error "these are functions here"
#endif

BEGIN_C_DECLS
int named_as_a_member(void);
END_C_DECLS

// Members and function pointers that a macro would break.
struct verbs_table {
  struct ibv_mr* (*ibv_reg_mr)(struct ibv_pd*, void*, size_t, int);
  int (*ibv_query_port)(struct ibv_context*, uint8_t, struct ibv_port_attr*);
  struct ibv_device** (*ibv_get_device_list)(int*);
};

struct holder {
  int before;
  int inside;
};

int named_as_a_member(void) {
  struct verbs_table table;
  table.ibv_reg_mr = ibv_reg_mr;
  table.ibv_query_port = ibv_query_port;
  table.ibv_get_device_list = ibv_get_device_list;
  struct ibv_device** list = table.ibv_get_device_list(NULL);
  struct ibv_context* context = list && list[0] ? ibv_open_device(list[0]) : NULL;
  if (!context) return 2;
  struct ibv_port_attr port;
  memset(&port, 0, sizeof port);
  if (table.ibv_query_port(context, 1, &port) != 0 || port.link_layer != IBV_LINK_LAYER_ETHERNET) return 3;
  static char memory[4096];
  struct ibv_pd* pd = ibv_alloc_pd(context);
  struct ibv_mr* mr = pd ? table.ibv_reg_mr(pd, memory, sizeof memory, IBV_ACCESS_LOCAL_WRITE) : NULL;
  enum ibv_gid_type_sysfs type = IBV_GID_TYPE_SYSFS_IB_ROCE_V1;
  if (!mr || ibv_query_gid_type(context, 1, 1, &type) != 0 || type != IBV_GID_TYPE_SYSFS_ROCE_V2) return 4;
  ibv_free_device_list(list);
  return ibv_dereg_mr(mr) || ibv_dealloc_pd(pd) || ibv_close_device(context);
}

int main(void) {
  struct holder held = {1, 2};
  int* inside = &held.inside;
  mb();
  rmb();
  wmb();
  wc_wmb();
  if (container_of(inside, struct holder, inside) != &held || ntohll(htonll(42)) != 42) return 1;
  if (strcmp(ibv_get_sysfs_path(), "/sys") != 0 || IBV_REREG_MR_KEEP_VALID == 0) return 1;
  ibv_register_driver("nobody", NULL);
  const int result = named_as_a_member();
  printf("vanished: %s\n", result == 0 ? "all right" : "wrong");
  return result;
}
