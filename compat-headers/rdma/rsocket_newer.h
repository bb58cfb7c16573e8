/* SPDX-License-Identifier: BSD-2-Clause */
/* What librdmacm declares of rsockets since RDMACM_1.5, for C and C++: epoll over rsockets and other descriptors. */
#ifndef VERBATIM_RDMA_RSOCKET_NEWER_H
#define VERBATIM_RDMA_RSOCKET_NEWER_H

#include <infiniband/verbatim_system.h>
#include <sys/epoll.h>

#if VERBATIM_SYSTEM_RDMACM < 65
#ifdef __cplusplus
extern "C" {
#endif

/* As epoll_create1(2), epoll_ctl(2) and epoll_wait(2). The descriptor is closed by close(2). On rsockets EPOLLET means
 * that EPOLLOUT is reported once each time it comes to be; EPOLLIN is reported while it holds. */
int repoll_create(int flags);
int repoll_ctl(int epfd, int op, int fd, struct epoll_event* event);
int repoll_wait(int epfd, struct epoll_event* events, int maxevents, int timeout);

#ifdef __cplusplus
}
#endif
#endif

#endif
