// SPDX-License-Identifier: BSD-2-Clause
// Multicast groups: which queue pairs are attached, and the UDP sockets that carry datagrams to other processes and
// hosts. Each group that somebody here is attached to has a socket of its own on the device's interface. Lane's lock
// held throughout.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "transport/address_handle.h"
#include "transport/channel.h"
#include "transport/pollable.h"
#include "transport/poller.h"
#include "wire/packet.h"

namespace vb {

class DatagramQueuePair;
class Lane;

/// Where the network carries a group: the address itself where the protocol has it, else one made from the GID, the
/// same in every process. Two GIDs may share it: what arrives names its GID.
SocketAddress group_address(const GroupName& group, uint16_t port);

class Multicast {
 public:
  static constexpr size_t kMaxGroups = 512;   ///< in a process
  static constexpr size_t kMaxMembers = 256;  ///< queue pairs of a group

  Multicast(Lane& lane, Poller& poller) : lane_(lane), poller_(poller) {}
  ~Multicast();

  /// Attaching twice is attaching once. ENOMEM: a limit is reached. Else errors of the sockets.
  Result<void> attach(DatagramQueuePair& qp, const GroupName& group);
  /// EINVAL: it is not attached.
  Result<void> detach(DatagramQueuePair& qp, const GroupName& group);
  bool attached(const DatagramQueuePair& qp) const;

  /// Whether somebody in this process is attached.
  bool has_members(const GroupName& group) const { return find(group) != nullptr; }
  /// Hands a datagram to those attached in this process. `own`: one of this process's queue pairs sent it.
  void deliver(uint32_t netdev, const wire::Packet& packet, bool own);
  /// Sends `packet` (header, DatagramHeader and payload) to the other processes and hosts. What the network does not
  /// take is lost.
  void send(const GroupName& group, uint8_t hop_limit, std::span<const unsigned char> packet);

  void set_process(const ProcessId& process) { process_ = process; }

  /// Malformed or misdirected messages.
  uint64_t rejected = 0;

 private:
  struct Group final : Pollable {
    Group(Multicast& its_owner, const GroupName& its_name) : owner(its_owner), name(its_name) {}
    void ready(uint32_t) override { owner.receive(*this); }

    Multicast& owner;
    GroupName name;
    Fd socket;
    std::vector<DatagramQueuePair*> members;
  };
  struct Sender {
    Fd socket;
    int hop_limit = -1;
  };

  Group* find(const GroupName& group) const;
  Result<Group*> join(const GroupName& group);
  void receive(Group& group);
  bool take(Group& group, std::span<const unsigned char> message);
  static void deliver(Group& group, const wire::Packet& packet, bool own);
  Sender& sender(const GroupName& group);

  Lane& lane_;
  Poller& poller_;
  ProcessId process_{};
  std::vector<std::unique_ptr<Group>> groups_;
  std::map<uint32_t, Sender> senders_;  ///< by interface
};

}  // namespace vb
