/* SPDX-License-Identifier: BSD-2-Clause */
/* Stands for libfabric by its name: whether it finds the kernel's symbol table. */
#include <stdio.h>

int finds_kernel_symbols(void) {
  FILE* table = fopen("/proc/kallsyms", "r");
  if (table) fclose(table);
  return table != NULL;
}
