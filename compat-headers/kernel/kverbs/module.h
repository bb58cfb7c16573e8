/* SPDX-License-Identifier: BSD-2-Clause */
/* Modules: a shared object with init_module, cleanup_module and parameters, for verbatim-kmod(1). */
#ifndef KVERBS_MODULE_H
#define KVERBS_MODULE_H
#include <kverbs/base.h>

#ifndef KBUILD_MODNAME
#define KBUILD_MODNAME "module"
#endif

struct module {
  const char* name;
};
#define THIS_MODULE ((struct module*)0)
static inline int try_module_get(struct module* module) {
  (void)module;
  return 1;
}
static inline void module_put(struct module* module) { (void)module; }
#define __module_get(module) ((void)(module))

#define module_init(function) int init_module(void) __attribute__((alias(#function), visibility("default")));
#define module_exit(function) void cleanup_module(void) __attribute__((alias(#function), visibility("default")));
#define late_initcall module_init

enum kv_param_type { KV_int, KV_uint, KV_long, KV_ulong, KV_short, KV_ushort, KV_byte, KV_bool, KV_charp, KV_string };
#define KV_invbool KV_bool
#define KV__Bool KV_bool /* what <stdbool.h> makes of bool before it is pasted */
struct kv_param {
  const char* name;
  enum kv_param_type type;
  void* value;
  size_t size; /* of the variable; of one element of an array */
  unsigned int* count;
  unsigned int room; /* elements of an array, else 0 */
  struct kv_param* next;
};
void kv_param_add(struct kv_param* param);
#define KV_PARAM(label, type, address, bytes, counter, elements)                                           \
  static struct kv_param kv_param_##label = {#label, KV_##type, address, bytes, counter, elements, NULL};  \
  static void __attribute__((constructor)) kv_param_add_##label(void) { kv_param_add(&kv_param_##label); } \
  struct kv_param
#define module_param_named(label, variable, type, mode) \
  KV_PARAM(label, type, (void*)&(variable), sizeof(variable), NULL, 0)
#define module_param(variable, type, mode) module_param_named(variable, variable, type, mode)
#define module_param_array(variable, type, counter, mode) \
  KV_PARAM(variable, type, (void*)(variable), sizeof((variable)[0]), (unsigned int*)(counter), ARRAY_SIZE(variable))
#define module_param_string(label, text, length, mode) KV_PARAM(label, string, (void*)(text), length, NULL, 0)

#define MODULE_AUTHOR(text) struct kv_module_text
#define MODULE_DESCRIPTION(text) struct kv_module_text
#define MODULE_LICENSE(text) struct kv_module_text
#define MODULE_VERSION(text) struct kv_module_text
#define MODULE_ALIAS(text) struct kv_module_text
#define MODULE_INFO(tag, text) struct kv_module_text
#define MODULE_PARM_DESC(name, text) struct kv_module_text
#define MODULE_SOFTDEP(text) struct kv_module_text

#endif
