// SPDX-License-Identifier: BSD-2-Clause
// A program that never uses verbs: prints how many threads and which of our files it has anyway.
#include <stdio.h>
#include <string.h>

static void print_lines(const char* path, const char* word) {
  char line[1024];
  FILE* file = fopen(path, "r");
  while (file && fgets(line, sizeof line, file)) {
    if (strstr(line, word)) fputs(line, stdout);
  }
  if (file) fclose(file);
}

int main(void) {
  print_lines("/proc/self/status", "Threads:");
  print_lines("/proc/self/maps", "libfabric");
  print_lines("/proc/self/maps", "libibverbs");
  return 0;
}
