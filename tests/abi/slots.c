// SPDX-License-Identifier: BSD-2-Clause
// No slot of the tables is empty: a program that calls an unsupported verb gets an error, never a jump to 0.
#include <infiniband/verbs.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static int empty_pointers(const void* from, const void* to) {
  int empty = 0;
  for (const char* at = from; at < (const char*)to; at += sizeof(void*)) {
    void* pointer;
    memcpy(&pointer, at, sizeof pointer);
    empty += pointer == NULL;
  }
  return empty;
}

static void report(const char* what, const void* object) { printf("%s %p %d\n", what, object, errno); }

int main(void) {
  struct ibv_device** list = ibv_get_device_list(NULL);
  struct ibv_context* context = list && list[0] ? ibv_open_device(list[0]) : NULL;
  if (!context) return 2;
  struct verbs_context* extended = verbs_get_ctx(context);
  if (!extended || extended->sz < sizeof *extended) return 3;
  const void* newest = (const char*)(context + 1) - extended->sz;
  printf("ops %d\n", empty_pointers(&context->ops, &context->ops + 1));
  printf("newer %d\n", empty_pointers(newest, &extended->query_port));
  printf("before priv %d\n", empty_pointers(&extended->query_port, &extended->priv));
  printf("after priv %d\n", empty_pointers(&extended->query_device_ex, &extended->_ABI_placeholder3));
  struct ibv_flow_action_esp_attr attr = {0};
  errno = 0;
  report("esp", ibv_create_flow_action_esp(context, &attr));
  printf("close %d\n", ibv_close_device(context));
  ibv_free_device_list(list);
  return 0;
}
