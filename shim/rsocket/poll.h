// SPDX-License-Identifier: BSD-2-Clause
// rpoll and rselect: rsockets and other descriptors together. poll(2), select(2).
#pragma once

#include <poll.h>
#include <sys/select.h>

#include "base/result.h"

namespace vb::rsocket {

/// How many entries of `fds` have events. EINTR after a signal.
Result<int> poll(pollfd* fds, nfds_t count, int timeout_ms);
Result<int> select(int count, fd_set* readable, fd_set* writable, fd_set* exceptional, timeval* timeout);

}  // namespace vb::rsocket
