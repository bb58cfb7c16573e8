// SPDX-License-Identifier: BSD-2-Clause
// A UDP socket that knows which of its host's addresses a datagram came to, and which datagrams of its own found
// nobody.
#pragma once

#include <memory>
#include <span>

#include "base/fd.h"
#include "base/gid.h"
#include "base/result.h"

namespace vb::cm {

class Socket {
 public:
  struct Options {
    bool reuse = false;    ///< others may share the port, if they allow it too
    bool v6_only = false;  ///< :: does not stand for IPv4
    bool v6_only_given = false;
  };
  /// Binds; a port of 0 is chosen, and `address` says which. Errors: EADDRINUSE, EACCES, EADDRNOTAVAIL, those of
  /// socket(2).
  static Result<std::unique_ptr<Socket>> open(SocketAddress& address, const Options& options);
  ~Socket();

  int fd() const { return fd_.get(); }
  /// Sets O_APPEND, which means nothing to a socket: /proc/<pid>/fdinfo then tells a listener from a bound port.
  void show_listener();

  enum class Arrival { kNone, kDatagram, kRefused };
  struct Datagram {
    SocketAddress peer;   ///< who sent it; of a refused one: whom it was for
    SocketAddress local;  ///< the address it came to, port 0
    size_t size = 0;
  };
  /// The next datagram, or the beginning of one that was refused because no socket is bound there. Does not block.
  Arrival receive(std::span<unsigned char> buffer, Datagram& datagram);
  /// A datagram may be lost like any other: errors are not told.
  void send(const SocketAddress& to, std::span<const unsigned char> bytes);

 private:
  explicit Socket(Fd fd) : fd_(std::move(fd)) {}
  bool take_error(std::span<unsigned char> buffer, Datagram& datagram);
  Fd fd_;
};

}  // namespace vb::cm
