/* SPDX-License-Identifier: BSD-2-Clause */
/* printk, and the kernel's extensions of %p in what it prints. */
#include <kverbs/base.h>
#include <kverbs/net.h>
#include <unistd.h>

enum { kLine = 1024, kAddress = 80 };

struct output {
  char* at;
  size_t room; /* without the final 0 */
};

static void put(struct output* out, const char* text, size_t n) {
  n = n < out->room ? n : out->room;
  memcpy(out->at, text, n);
  out->at += n;
  out->room -= n;
}

static size_t socket_address(char* text, const struct sockaddr* address, bool with_port) {
  char host[INET6_ADDRSTRLEN] = "?";
  u16 port = 0;
  if (address->sa_family == AF_INET) {
    const struct sockaddr_in* v4 = (const void*)address;
    inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
    port = v4->sin_port;
  } else if (address->sa_family == AF_INET6) {
    const struct sockaddr_in6* v6 = (const void*)address;
    inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
    port = v6->sin6_port;
  }
  if (!with_port) return (size_t)snprintf(text, kAddress, "%s", host);
  const char* form = address->sa_family == AF_INET6 ? "[%s]:%u" : "%s:%u";
  return (size_t)snprintf(text, kAddress, form, host, ntohs(port));
}

/* %pI4, %pI4h (the number in host order), %pI6, %pI6c, %pIS, %pISp(c). Gives what was used of the format, or 0. */
static size_t put_address(struct output* out, const char* after_p, const void* address) {
  char text[kAddress];
  size_t used = 2, n;
  if (after_p[0] != 'I' || !address) return 0;
  if (after_p[1] == '4') {
    u32 word;
    memcpy(&word, address, sizeof word);
    if (after_p[2] == 'h') word = htonl(word);
    inet_ntop(AF_INET, &word, text, sizeof text);
    n = strlen(text);
    used += after_p[2] == 'h' || after_p[2] == 'n' || after_p[2] == 'b';
  } else if (after_p[1] == '6') {
    inet_ntop(AF_INET6, address, text, sizeof text);
    n = strlen(text);
    used += after_p[2] == 'c';
  } else if (after_p[1] == 'S') {
    n = socket_address(text, address, strncmp(after_p, "ISp", 3) == 0);
    used += strspn(after_p + 2, "pc");
  } else {
    return 0;
  }
  put(out, text, n);
  return used;
}

/* One conversion, printed by the C library. `spec` is all of it, from the percent sign to the letter. */
static void put_conversion(struct output* out, const char* spec, va_list* arguments) {
  char text[kLine];
  size_t n = strlen(spec);
  char letter = spec[n - 1], before = n > 2 ? spec[n - 2] : 0;
  bool wide = before == 'l' || before == 'L' || before == 'z' || before == 't' || before == 'j';
  int printed;
  if (letter == 's') {
    const char* string = va_arg(*arguments, const char*);
    printed = snprintf(text, sizeof text, spec, string ? string : "(null)");
  } else if (letter == 'p') {
    printed = snprintf(text, sizeof text, spec, va_arg(*arguments, void*));
  } else if (wide) {
    printed = snprintf(text, sizeof text, spec, va_arg(*arguments, long));
  } else {
    printed = snprintf(text, sizeof text, spec, va_arg(*arguments, int));
  }
  if (printed > 0) put(out, text, min((size_t)printed, sizeof text - 1));
}

/* Copies a conversion, with * replaced by its argument, and gives its end. */
static const char* take_conversion(const char* format, char* spec, size_t size, va_list* arguments) {
  size_t n = 0;
  do {
    if (*format == '*') {
      n += (size_t)snprintf(spec + n, size - n, "%d", va_arg(*arguments, int));
      format++;
    } else {
      spec[n++] = *format++;
    }
    spec[n] = 0;
  } while (n < size - 12 && *format && !strchr("diouxXcspn%", spec[n - 1] == '%' && n == 1 ? 'q' : spec[n - 1]));
  return format;
}

int kv_vscnprintf(char* buffer, size_t size, const char* format, va_list given) {
  struct output out = {buffer, size ? size - 1 : 0};
  va_list arguments;
  if (!size) return 0;
  va_copy(arguments, given);
  while (*format) {
    char spec[64];
    size_t plain = strcspn(format, "%");
    put(&out, format, plain);
    format += plain;
    if (!*format) break;
    format = take_conversion(format, spec, sizeof spec, &arguments);
    if (spec[strlen(spec) - 1] == '%') {
      put(&out, "%", 1);
    } else if (spec[strlen(spec) - 1] == 'p' && *format == 'I') {
      format += put_address(&out, format, va_arg(arguments, void*));
    } else {
      put_conversion(&out, spec, &arguments);
    }
  }
  va_end(arguments);
  *out.at = 0;
  return (int)(out.at - buffer);
}

int scnprintf(char* buffer, size_t size, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int n = kv_vscnprintf(buffer, size, format, arguments);
  va_end(arguments);
  return n;
}

/* One write for a line, so that lines of several threads do not mix. The level is shown by nothing. */
int printk(const char* format, ...) {
  char line[kLine];
  va_list arguments;
  va_start(arguments, format);
  int n = kv_vscnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  const char* text = line;
  if (n >= 2 && line[0] == KERN_SOH[0]) text += 2, n -= 2;
  ssize_t written = write(STDERR_FILENO, text, (size_t)n);
  return written < 0 ? 0 : (int)written;
}

void kv_bug(const char* file, int line, const char* what) {
  printk(KERN_EMERG "kernel BUG at %s:%d: %s\n", file, line, what);
  abort();
}

void kv_warning(const char* file, int line, const char* what) {
  printk(KERN_WARNING "WARNING at %s:%d: %s\n", file, line, what);
}
