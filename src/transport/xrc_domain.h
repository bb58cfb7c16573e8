// SPDX-License-Identifier: BSD-2-Clause
// XRC domains: whose SRQs an XRC target queue pair may fill. A domain belongs to an inode, or to nothing.
// ibv_open_xrcd(3).
//
// Processes that have opened the domain of an inode find each other by locks on a range of that inode's bytes, far
// behind what any file holds: a byte that says that the domain exists, one for each slot (of QPNs and SRQ numbers) of
// its members, and two for each receiving queue pair. So who cannot open the file cannot be a member, and the kernel
// forgets a member that dies.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>

#include "base/fd.h"
#include "base/result.h"

namespace vb {

class XrcDomain {
 public:
  struct Request {
    uint32_t device = 0;  ///< an interface's index: each device has domains of its own
    int fd = -1;          ///< -1: a domain without an inode
    bool create = false;
    bool exclusive = false;
  };

  /// The domain; in this process there is one object for each. EINVAL: no inode and not to be created, or it exists and
  /// `exclusive`; EAGAIN: it does not exist and is not to be created; EBADF: no such fd. Thread safe.
  static Result<std::shared_ptr<XrcDomain>> open(const Request& request);
  ~XrcDomain();

  /// The owner of `slot` is this process, and a member.
  void join(uint32_t slot) const;
  /// Whether the owner of `slot` is a member, in another process.
  bool has_member(uint32_t slot) const;
  // Receiving queue pairs that belong to a domain (OFED's XRC), by their numbers: which there are, and who has
  // registered with one.
  enum class Mark { kMade, kRegistered };
  void set(Mark mark, uint32_t qpn) const;
  void clear(Mark mark, uint32_t qpn) const;
  /// Whether another process that has opened the domain has set it.
  bool set_elsewhere(Mark mark, uint32_t qpn) const;

  /// 0: none.
  uint64_t inode() const { return key_.inode; }

 private:
  struct Key {
    uint32_t device;
    dev_t file_system;
    ino_t inode;
    auto operator<=>(const Key&) const = default;
  };
  struct Registry;
  static Registry& registry();

  XrcDomain(Key key, Fd fd) : key_(key), fd_(std::move(fd)) {}
  bool exists_elsewhere() const;
  void unlock(off_t at, off_t length) const;
  off_t place(Mark mark, uint32_t qpn) const;

  Key key_;
  Fd fd_;  ///< with the locks; none: the domain has no inode
};

}  // namespace vb
