/* SPDX-License-Identifier: BSD-2-Clause */
/* Parameters of modules. Each adds itself when its module is loaded. */
#include "proc.h"

static struct kv_param* params;

void kv_params_begin(void) { params = NULL; }

void kv_param_add(struct kv_param* param) {
  param->next = params;
  params = param;
}

static int set_flag(void* at, const char* value) {
  bool on = strchr("yY1tT", value[0]) != NULL;
  if (value[0] && !on && !strchr("nN0fF", value[0])) return -EINVAL;
  *(bool*)at = !value[0] || on;
  return 0;
}

static int set_number(const struct kv_param* param, void* at, const char* value) {
  long long number = 0;
  int error = kstrtoll(value, 0, &number);
  if (error) return error;
  bool is_signed = param->type == KV_int || param->type == KV_long || param->type == KV_short;
  unsigned int bits = 8 * (unsigned int)param->size;
  if (!is_signed && number < 0) return -EINVAL;
  if (bits < 64 && (is_signed ? number >= 1LL << (bits - 1) || number < -(1LL << (bits - 1)) : number >= 1LL << bits))
    return -ERANGE;
  memcpy(at, &number, param->size); /* little endian, or as wide as the number */
  return 0;
}

static int set_one(const struct kv_param* param, void* at, const char* value) {
  if (param->type == KV_charp) return (*(char**)at = strdup(value)) ? 0 : -ENOMEM;
  /* Old modules declare flags as int. */
  if (param->type == KV_bool && param->size == sizeof(bool)) return set_flag(at, value);
  return set_number(param, at, value);
}

static int set_array(const struct kv_param* param, const char* value) {
  char* copy = strdup(value);
  char *rest = copy, *word;
  unsigned int n = 0;
  int error = copy ? 0 : -ENOMEM;
  while (!error && (word = strsep(&rest, ",")))
    error = n == param->room ? -EINVAL : set_one(param, (char*)param->value + param->size * n++, word);
  if (!error && param->count) *param->count = n;
  if (param->type != KV_charp) free(copy);
  return error;
}

int kv_param_set(const char* name, const char* value) {
  for (struct kv_param* param = params; param; param = param->next) {
    if (strcmp(param->name, name) != 0) continue;
    if (param->type == KV_string) return kv_strscpy(param->value, value, param->size) < 0 ? -ENOSPC : 0;
    return param->room ? set_array(param, value) : set_one(param, param->value, value);
  }
  return -ENOENT;
}
