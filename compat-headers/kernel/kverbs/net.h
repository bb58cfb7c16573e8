/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses, interfaces, network namespaces, as far as consumers of the connection manager name them. */
#ifndef KVERBS_NET_H
#define KVERBS_NET_H
#include <kverbs/base.h>
/* Only the types are wanted of the C library's headers: these names are free in the kernel, and taken by its modules.
 */
#define accept kv_libc_accept
#define bind kv_libc_bind
#define connect kv_libc_connect
#define listen kv_libc_listen
#define recv kv_libc_recv
#define send kv_libc_send
#define shutdown kv_libc_shutdown
#define socket kv_libc_socket
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#undef accept
#undef bind
#undef connect
#undef listen
#undef recv
#undef send
#undef shutdown
#undef socket

struct net {
  int unused;
};
extern struct net kv_init_net;
#define init_net kv_init_net

struct net_device {
  char name[16];
  int ifindex;
  unsigned int mtu, flags;
  unsigned char dev_addr[32];
};
#define dev_get_by_name(net, name) ((void)(net), kv_dev_get_by_name(name))
#define __dev_get_by_name(net, name) ((void)(net), kv_dev_get_by_name_once(name))
#define dev_put(dev) kfree(dev)
struct net_device* kv_dev_get_by_name(const char* name);
struct net_device* kv_dev_get_by_name_once(const char* name);

__be32 in_aton(const char* text) KV_SYMBOL(in_aton);
int in4_pton(const char* text, int length, u8* address, int delimiter, const char** end) KV_SYMBOL(in4_pton);
int in6_pton(const char* text, int length, u8* address, int delimiter, const char** end) KV_SYMBOL(in6_pton);
static inline bool ipv6_addr_loopback(const struct in6_addr* a) { return IN6_IS_ADDR_LOOPBACK(a); }
static inline bool ipv6_addr_any(const struct in6_addr* a) { return IN6_IS_ADDR_UNSPECIFIED(a); }
#define NIPQUAD(a)                                                                                   \
  ((const unsigned char*)&(a))[0], ((const unsigned char*)&(a))[1], ((const unsigned char*)&(a))[2], \
      ((const unsigned char*)&(a))[3]
#define NIPQUAD_FMT "%u.%u.%u.%u"

#endif
