// SPDX-License-Identifier: BSD-2-Clause
// What the kernel's netlink socket says about interfaces (rtnetlink(7)).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace vb {

/// One thing that happened to an interface.
struct LinkMessage {
  uint32_t netdev = 0;   ///< the interface's index; 0: messages were lost, anything may have happened
  bool is_link = false;  ///< `running` counts; otherwise addresses have changed
  bool running = false;
};

/// A socket that tells of links and addresses. Non-blocking. Errors: of the system calls.
Result<Fd> open_link_messages();
/// All that waits in the socket, oldest first.
std::vector<LinkMessage> read_link_messages(int socket);
/// The messages of one datagram. Exposed for its test.
void parse_link_messages(std::span<const unsigned char> bytes, std::vector<LinkMessage>& out);

}  // namespace vb
