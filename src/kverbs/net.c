/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses in texts, and network interfaces by name. */
#include <kverbs/memory.h>
#include <kverbs/net.h>
#include <net/if.h>
#include <unistd.h>

struct net kv_init_net;

__be32 in_aton(const char* text) {
  u32 address = 0;
  for (int i = 0; i < 4; i++) {
    char* end;
    address = address << 8 | (strtoul(text, &end, 10) & 0xff);
    text = *end == '.' ? end + 1 : end;
  }
  return cpu_to_be32(address);
}

/* A length of -1 means all; an address ends at the delimiter (-1 for none) or with the text. */
static int to_address(int family, const char* text, int length, u8* address, int delimiter, const char** end) {
  char copy[INET6_ADDRSTRLEN];
  size_t n = length < 0 ? strlen(text) : strnlen(text, (size_t)length);
  const char* stop = delimiter > 0 ? memchr(text, delimiter, n) : NULL;
  if (stop) n = (size_t)(stop - text);
  if (n < sizeof copy) {
    memcpy(copy, text, n);
    copy[n] = 0;
    if (end) *end = text + n;
    return inet_pton(family, copy, address) == 1;
  }
  if (end) *end = text;
  return 0;
}

int in4_pton(const char* text, int length, u8* address, int delimiter, const char** end) {
  return to_address(AF_INET, text, length, address, delimiter, end);
}
int in6_pton(const char* text, int length, u8* address, int delimiter, const char** end) {
  return to_address(AF_INET6, text, length, address, delimiter, end);
}

struct net_device* kv_dev_get_by_name(const char* name) {
  unsigned int index = if_nametoindex(name);
  if (!index) return NULL;
  struct net_device* dev = kzalloc(sizeof *dev, GFP_KERNEL);
  if (!dev) return NULL;
  snprintf(dev->name, sizeof dev->name, "%s", name);
  dev->ifindex = (int)index;
  dev->flags = IFF_UP;
  return dev;
}

/* Without a reference that somebody gives back: one for each interface, for ever. */
struct net_device* kv_dev_get_by_name_once(const char* name) {
  static struct net_device* known[64];
  unsigned int index = if_nametoindex(name);
  if (!index || index >= ARRAY_SIZE(known)) return NULL;
  if (!known[index]) known[index] = kv_dev_get_by_name(name);
  return known[index];
}
