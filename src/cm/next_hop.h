// SPDX-License-Identifier: BSD-2-Clause
// Whether somebody answers at the other end of the link: the kernel's routes and its table of neighbours
// (rtnetlink(7)). An address is resolved when the neighbour is known that leads there, as with the kernel's connection
// manager.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/fd.h"
#include "base/gid.h"
#include "base/result.h"

namespace vb::cm {

/// Who on which link takes what is for some destination.
struct NextHop {
  uint32_t interface = 0;
  SocketAddress host;  ///< without a port
};
bool operator==(const NextHop& one, const NextHop& other);

/// nullopt: nobody needs to be asked for, or the system does not tell. The destination is of this host, a group, or
/// behind a link without addresses of its own.
std::optional<NextHop> next_hop(const SocketAddress& destination);
/// Whether the kernel knows it now.
bool is_known(const NextHop& hop);

/// What happens to neighbours.
class NeighbourWatch {
 public:
  struct News {
    NextHop hop;
    bool known = false;  ///< else the kernel has asked in vain
  };
  Result<void> open();
  void close() { fd_.reset(); }
  int fd() const { return fd_.get(); }
  bool is_open() const { return static_cast<bool>(fd_); }
  /// What has happened since the last call. `lost`: not all of it is told. Does not block.
  std::vector<News> read(bool& lost);

 private:
  Fd fd_;
};

}  // namespace vb::cm
