/* SPDX-License-Identifier: BSD-2-Clause */
/* Options in a text: patterns with %s, %d, %u, %x and %o that stand for a word or a number. */
#ifndef KVERBS_PARSER_H
#define KVERBS_PARSER_H
#include <kverbs/base.h>

#define MAX_OPT_ARGS 3
struct match_token {
  int token;
  const char* pattern;
};
typedef struct match_token match_table_t[];
typedef struct {
  char* from;
  char* to;
} substring_t;
int match_token(char* text, const struct match_token* table, substring_t* arguments) KV_SYMBOL(match_token);
int match_int(substring_t* argument, int* value) KV_SYMBOL(match_int);
int match_octal(substring_t* argument, int* value) KV_SYMBOL(match_octal);
int match_hex(substring_t* argument, int* value) KV_SYMBOL(match_hex);
char* match_strdup(const substring_t* argument) KV_SYMBOL(match_strdup);
size_t match_strlcpy(char* target, const substring_t* argument, size_t size) KV_SYMBOL(match_strlcpy);

#endif
