// SPDX-License-Identifier: BSD-2-Clause
// An address handle's transport: where datagrams go, and what they say of their way.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/gid.h"
#include "wire/packet.h"

namespace vb {

class Route;

/// A group on one interface.
struct GroupName {
  uint32_t netdev = 0;    ///< interface index
  SocketAddress address;  ///< of the interface: says by which protocol multicasts travel there
  Gid gid;                ///< IPv6 multicast, or an IPv4-mapped multicast address

  bool operator==(const GroupName& other) const { return netdev == other.netdev && gid == other.gid; }
};

struct AddressHandle {
  const void* pd = nullptr;
  wire::DatagramHeader header{};  ///< of each datagram; its length and Q_Key
                                  ///< come with the work request
  SocketAddress source;           ///< without a port
  SocketAddress destination;      ///< likewise: the peer's host
  bool multicast = false;
  GroupName group;  ///< of a multicast

  /// The program's reference, and one for each work request that is posted.
  void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
  /// Drops a reference; the last one frees.
  void release() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  /// What the router found last. Lane's lock held.
  struct {
    uint32_t slot = UINT32_MAX;
    uint32_t generation = 0;
    Route* route = nullptr;
  } cache;

 private:
  ~AddressHandle() = default;
  std::atomic<uint32_t> references_{1};
};

}  // namespace vb
