// SPDX-License-Identifier: BSD-2-Clause
// XRC domains: whose SRQs an XRC target queue pair may fill. A domain belongs to an inode, or to nothing.
// ibv_open_xrcd(3).
//
// Processes that have opened the domain of an inode find each other by locks on a range of that inode's bytes, far
// behind what any file holds: a byte that says that the domain exists, and one for each slot (of QPNs and SRQ numbers)
// of its members. So who cannot open the file cannot be a member, and the kernel forgets a member that dies. A member
// shows another one that it is one by a lock as well (Voucher).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <utility>

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

  /// Who shows a voucher: who wants to open a target of a slot, or the slot's owner.
  enum class Side : uint8_t { kOpener, kOwner };
  struct Use {
    Side side;
    uint32_t slot;
  };

  /// What shows whoever is told its number that the teller has opened the domain: a lock at a place that nobody can
  /// guess, for as long as this lives. It is good for one use only, so that a stranger who has been told of it, because
  /// he listens where an owner would, cannot show it elsewhere.
  class Voucher {
   public:
    Voucher() = default;
    Voucher(std::shared_ptr<const XrcDomain> domain, Use use);
    Voucher(Voucher&& other) noexcept = default;
    Voucher& operator=(Voucher&& other) noexcept {
      std::swap(domain_, other.domain_);
      std::swap(use_, other.use_);
      std::swap(number_, other.number_);
      return *this;
    }
    ~Voucher();
    uint64_t number() const { return number_; }

   private:
    std::shared_ptr<const XrcDomain> domain_;
    Use use_{};
    uint64_t number_ = 0;
  };

  ~XrcDomain();

  /// The owner of `slot` is this process, and a member.
  void join(uint32_t slot) const;
  /// Whether the owner of `slot` is a member, in another process.
  bool has_member(uint32_t slot) const;
  /// Whether another process that has opened the domain has a voucher of this number for this use.
  bool vouched_elsewhere(uint64_t number, Use use) const;

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

  Key key_;
  Fd fd_;  ///< with the locks; none: the domain has no inode
};

}  // namespace vb
