// SPDX-License-Identifier: BSD-2-Clause
// A native library with one device, mock0. Each function says on the standard output that it was called.
#include <infiniband/verbs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#undef ibv_get_device_list
#undef ibv_query_port

char verbs_allow_disassociate_destroy = 1;

static struct ibv_device device = {.node_type = IBV_NODE_CA, .name = "mock0", .dev_name = "uverbs0"};
static struct ibv_context context = {.device = &device};
static struct ibv_pd pd = {.context = &context, .handle = 17};

struct ibv_device** ibv_get_device_list(int* count) {
  puts("native ibv_get_device_list");
  struct ibv_device** list = calloc(2, sizeof *list);
  list[0] = &device;
  if (count) *count = 1;
  return list;
}

void ibv_free_device_list(struct ibv_device** list) {
  puts("native ibv_free_device_list");
  free(list);
}

__be64 ibv_get_device_guid(struct ibv_device* asked) { return asked == &device ? 0x1234 : 0; }

struct ibv_context* ibv_open_device(struct ibv_device* asked) {
  printf("native ibv_open_device %s\n", asked->name);
  return &context;
}

int ibv_close_device(struct ibv_context* asked) { return asked == &context ? 0 : EINVAL; }
struct ibv_pd* ibv_alloc_pd(struct ibv_context* asked) {
  return asked == &context ? &pd : NULL;
}
int ibv_dealloc_pd(struct ibv_pd* asked) { return asked->handle == 17 ? 0 : EINVAL; }
struct ibv_comp_channel* ibv_create_comp_channel(struct ibv_context* asked) {
  (void)asked;
  errno = EMFILE;
  return NULL;
}

int ibv_query_port(struct ibv_context* asked, uint8_t port, struct _compat_ibv_port_attr* attr) {
  memset(attr, 0, 48);
  return asked == &context && port == 3 ? 0 : EINVAL;
}

int ibv_fork_init(void) {
  puts("native ibv_fork_init");
  return 0;
}

void __verbs_log(struct verbs_context* asked, unsigned level, const char* format, ...) {
  (void)asked;
  va_list arguments;
  va_start(arguments, format);
  printf("native log %u: ", level);
  vprintf(format, arguments);
  va_end(arguments);
}

int ibv_cmd_reg_mr(long a, long b, long c, long d, long e, long f, long g, long h) {
  return (int)(a + 10 * b + 100 * c + 1000 * d + 10000 * e + 100000 * f + 1000000 * g + 10000000 * h);
}
