// SPDX-License-Identifier: BSD-2-Clause
// A datagram rsocket. The address is that of a UDP socket of the kernel. The first datagram to a destination travels
// through it and asks for the destination's UD queue pair; the answer comes the same way, and what follows goes over
// the fabric. The same is done again once a second, because who owns an address may change.
#pragma once

#include <netinet/in.h>

#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "rsocket/datagram_port.h"
#include "rsocket/socket.h"

namespace vb::rsocket {

class Datagram final : public Socket {
 public:
  static Result<std::shared_ptr<Socket>> create(int family);
  explicit Datagram(int family) : family_(family) {}

  Result<void> bind(Destination address) override;
  Result<void> listen(int) override { return Error{EOPNOTSUPP}; }
  Result<std::shared_ptr<Socket>> accept() override { return Error{EOPNOTSUPP}; }
  Result<void> connect(Destination address) override;
  Result<void> shutdown(int how) override;
  void close() override;
  Result<size_t> send(Buffers data, int flags, Destination to) override;
  Result<size_t> receive(Buffers room, int flags, Source from) override;
  Result<void> local_address(Source out) override;
  Result<void> peer_address(Source out) override;
  Result<void> set_option(int level, int name, const void* value, socklen_t length) override;
  Result<void> get_option(int level, int name, void* value, socklen_t* length) override;

 private:
  /// In front of every datagram, on both ways. Network byte order.
  struct Head {
    uint32_t magic;
    uint8_t version;
    uint8_t kind;
    uint16_t port;  ///< the sender's UDP port
    uint32_t qpn;   ///< the sender's, 0: it has none
    ibv_gid gid;    ///< the sender's
  };
  enum Kind : uint8_t { kData = 1, kHere };

  struct Message {
    sockaddr_storage from;
    std::vector<unsigned char> bytes;
  };
  struct Peer {
    DatagramPort* port = nullptr;
    std::shared_ptr<ibv_ah> ah;  ///< a sender that waits for room holds it, too
    uint32_t qpn = 0;
    uint64_t known_until = 0;
  };
  struct Before {
    bool operator()(const sockaddr_storage& a, const sockaddr_storage& b) const;
  };

  bool progress() override;
  void arm() override;
  short events() override;

  bool read_udp();
  void take_udp(const sockaddr_storage& from, const unsigned char* bytes, size_t size);
  void answer(const sockaddr_storage& to);
  void learn(const sockaddr_storage& from, const Head& head);
  void keep(const sockaddr_storage& from, const unsigned char* bytes, size_t size);
  void take_fabric(const ibv_gid& from, std::span<const unsigned char> bytes);
  DatagramPort* port_to(const sockaddr_storage& peer);
  uint16_t udp_port();
  Head head(Kind kind, const DatagramPort* port);
  Result<size_t> send_udp(const sockaddr_storage& to, DatagramPort* port, Buffers data, size_t size);

  int family_;
  Fd udp_;
  std::vector<unsigned char> buffer_;  ///< for what UDP brings
  uint16_t udp_port_ = 0;              ///< network byte order; 0: not known yet
  bool connected_ = false, may_read_ = true, may_write_ = true;
  sockaddr_storage default_peer_{};
  std::map<sockaddr_storage, std::unique_ptr<DatagramPort>, Before> ports_;  ///< by local address, without port
  std::map<sockaddr_storage, Peer, Before> peers_;
  std::deque<Message> messages_;
  size_t waiting_bytes_ = 0;
  size_t receive_size_;
};

}  // namespace vb::rsocket
