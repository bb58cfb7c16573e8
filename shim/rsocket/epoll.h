// SPDX-License-Identifier: BSD-2-Clause
// repoll: epoll over rsockets and other descriptors. epoll(7); librdmacm has it since RDMACM_1.5.
#pragma once

#include <sys/epoll.h>

#include "base/result.h"

namespace vb::rsocket {

/// A descriptor, which the program closes by close(2). `flags` as of epoll_create1(2).
Result<int> epoll_create(int flags);
/// Errors of epoll_ctl(2). EINVAL: `set` is no descriptor of epoll_create.
Result<void> epoll_control(int set, int operation, int fd, epoll_event* event);
/// A call on this rsocket would have blocked: the next time that it can be written to is news.
void would_block(int fd);
/// How many events there are. EINTR after a signal.
Result<int> epoll_wait(int set, epoll_event* events, int room, int timeout_ms);

}  // namespace vb::rsocket
