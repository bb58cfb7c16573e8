// SPDX-License-Identifier: BSD-2-Clause
// Ports of the connection manager. A port that a program binds is a UDP socket: the kernel says who has it, refuses it
// to others (EADDRINUSE, EACCES) and takes it back when the process dies. The four port spaces are separate, so each
// turns its numbers by a mask of its own: those of the TCP space are UDP's own.
//
// Ports of identifiers that only connect are never listened at: they are numbers from blocks, and a process has a block
// while it holds an abstract socket of the block's name. So thousands of connections cost no descriptor each.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "base/fd.h"
#include "base/gid.h"
#include "base/result.h"
#include "cm/socket.h"
#include "cm/types.h"

namespace vb::cm {

/// The UDP port of a service, and back.
uint16_t udp_port(Space space, uint16_t port);
/// Where a service's listener has its socket.
SocketAddress service_address(Space space, const SocketAddress& service);

/// Binds `address` (a port of 0 is chosen, and set). EACCES for a port that needs privilege; EADDRINUSE for
/// one that is taken, EADDRNOTAVAIL where a wildcard has it or wants it.
Result<std::unique_ptr<Socket>> bind_port(Space space, SocketAddress& address, const Socket::Options& options);

/// Numbers for identifiers that only connect. The manager's lock guards it.
class EphemeralPorts {
 public:
  /// EADDRNOTAVAIL: all are taken.
  Result<uint16_t> take();
  /// Comes back last.
  void give_back(uint16_t port) { free_.push_back(port); }

 private:
  Result<void> lock_block();
  std::deque<uint16_t> free_;
  std::vector<Fd> locks_;
};

}  // namespace vb::cm
