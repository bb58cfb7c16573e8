/* SPDX-License-Identifier: BSD-2-Clause */
/* The function of the same name that stands behind this library: the C library's, or another preload's. */
#pragma once

#include <dlfcn.h>
#include <stdatomic.h>

/* Looked up once; two threads that meet here find the same. */
static inline void* vb_next(_Atomic(void*)* slot, const char* name) {
  void* found = atomic_load_explicit(slot, memory_order_relaxed);
  if (!found) {
    found = dlsym(RTLD_NEXT, name);
    atomic_store_explicit(slot, found, memory_order_relaxed);
  }
  return found;
}

#define VB_NEXT(function)                             \
  ({                                                  \
    static _Atomic(void*) slot;                       \
    (__typeof__(&function))vb_next(&slot, #function); \
  })
