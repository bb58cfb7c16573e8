/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers and options in texts, random numbers. */
#include <kverbs/memory.h>
#include <kverbs/parser.h>
#include <sys/random.h>

unsigned long simple_strtoul(const char* text, char** end, unsigned int base) { return strtoul(text, end, (int)base); }
long simple_strtol(const char* text, char** end, unsigned int base) { return strtol(text, end, (int)base); }
unsigned long long simple_strtoull(const char* text, char** end, unsigned int base) {
  return strtoull(text, end, (int)base);
}

/* A number and at most one newline. */
static int whole(const char* text, const char* end) {
  if (end == text || *text == ' ') return -EINVAL;
  if (*end == '\n') end++;
  if (*end) return -EINVAL;
  return errno == ERANGE ? -ERANGE : 0;
}

int kstrtoull(const char* text, unsigned int base, unsigned long long* value) {
  char* end;
  errno = 0;
  unsigned long long n = strtoull(text, &end, (int)base);
  int error = *text == '-' ? -EINVAL : whole(text, end);
  if (!error) *value = n;
  return error;
}

int kstrtoll(const char* text, unsigned int base, long long* value) {
  char* end;
  errno = 0;
  long long n = strtoll(text, &end, (int)base);
  int error = whole(text, end);
  if (!error) *value = n;
  return error;
}

int kstrtouint(const char* text, unsigned int base, unsigned int* value) {
  unsigned long long n = 0;
  int error = kstrtoull(text, base, &n);
  if (!error && n > UINT_MAX) error = -ERANGE;
  if (!error) *value = (unsigned int)n;
  return error;
}

int kstrtoint(const char* text, unsigned int base, int* value) {
  long long n = 0;
  int error = kstrtoll(text, base, &n);
  if (!error && (n > INT_MAX || n < INT_MIN)) error = -ERANGE;
  if (!error) *value = (int)n;
  return error;
}

size_t kv_strlcpy(char* target, const char* source, size_t size) {
  size_t n = strlen(source);
  if (!size) return n;
  size_t copied = n < size ? n : size - 1;
  memcpy(target, source, copied);
  target[copied] = 0;
  return n;
}

ssize_t kv_strscpy(char* target, const char* source, size_t size) {
  size_t n = kv_strlcpy(target, source, size);
  return n < size ? (ssize_t)n : -E2BIG;
}

void get_random_bytes(void* buffer, int bytes) {
  char* at = buffer;
  while (bytes > 0) {
    ssize_t n = getrandom(at, (size_t)bytes, 0);
    if (n <= 0) continue;
    at += n;
    bytes -= (int)n;
  }
}

u32 kv_random32(void) {
  u32 n;
  get_random_bytes(&n, sizeof n);
  return n;
}

/* Whether the text is the pattern, and where its arguments are. */
static bool matches(char* text, const char* pattern, substring_t* arguments) {
  int count = 0;
  for (;;) {
    size_t plain = strcspn(pattern, "%");
    if (strncmp(text, pattern, plain) != 0) return false;
    text += plain;
    pattern += plain;
    if (!*pattern) return !*text;
    if (pattern[1] == '%') {
      if (*text != '%') return false;
      text++;
      pattern += 2;
      continue;
    }
    if (count == MAX_OPT_ARGS) return false;
    char kind = pattern[1], *end = text;
    int base = kind == 'o' ? 8 : kind == 'x' ? 16 : 0;
    if (kind == 's') {
      end = pattern[2] ? strchr(text, pattern[2]) : text + strlen(text);
      if (!end || end == text) return false;
    } else {
      if (kind == 'u' && *text == '-') return false;
      strtol(text, &end, base);
      if (end == text) return false;
    }
    arguments[count].from = text;
    arguments[count++].to = end;
    text = end;
    pattern += 2;
  }
}

int match_token(char* text, const struct match_token* table, substring_t* arguments) {
  while (table->pattern && !matches(text, table->pattern, arguments)) table++;
  return table->token;
}

static int match_number(substring_t* argument, int* value, int base) {
  char text[32], *end;
  size_t n = (size_t)(argument->to - argument->from);
  if (n == 0 || n >= sizeof text) return -EINVAL;
  memcpy(text, argument->from, n);
  text[n] = 0;
  errno = 0;
  long long number = strtoll(text, &end, base);
  if (*end) return -EINVAL;
  if (errno == ERANGE || number > INT_MAX || number < INT_MIN) return -ERANGE;
  *value = (int)number;
  return 0;
}

int match_int(substring_t* argument, int* value) { return match_number(argument, value, 0); }
int match_octal(substring_t* argument, int* value) { return match_number(argument, value, 8); }
int match_hex(substring_t* argument, int* value) { return match_number(argument, value, 16); }

char* match_strdup(const substring_t* argument) {
  size_t n = (size_t)(argument->to - argument->from);
  char* copy = kmalloc(n + 1, GFP_KERNEL);
  if (copy) match_strlcpy(copy, argument, n + 1);
  return copy;
}

size_t match_strlcpy(char* target, const substring_t* argument, size_t size) {
  size_t n = (size_t)(argument->to - argument->from);
  if (!size) return n;
  size_t copied = n < size ? n : size - 1;
  memcpy(target, argument->from, copied);
  target[copied] = 0;
  return n;
}
