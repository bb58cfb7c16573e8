// SPDX-License-Identifier: BSD-2-Clause
// Which descriptors are rsockets.
#pragma once

#include <memory>

#include "rsocket/socket.h"

namespace vb::rsocket {

/// Thread safe. A socket lives until the last call on it returns, also when another thread closes it meanwhile.
void add(std::shared_ptr<Socket> socket);
/// nullptr: no rsocket.
std::shared_ptr<Socket> find(int fd);
std::shared_ptr<Socket> remove(int fd);

}  // namespace vb::rsocket
