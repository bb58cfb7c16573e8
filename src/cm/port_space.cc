// SPDX-License-Identifier: BSD-2-Clause
#include "cm/port_space.h"

#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "base/fork.h"
#include "base/random.h"
#include "cm/address.h"

namespace vb::cm {

namespace {

constexpr uint16_t kFirstEphemeral = 32768;
constexpr int kBlock = 64;
constexpr int kBlocks = (65536 - kFirstEphemeral) / kBlock;
constexpr int kDefaultUnprivileged = 1024;

int first_unprivileged() {
  int first = kDefaultUnprivileged;
  FILE* file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
  if (!file) return first;
  if (fscanf(file, "%d", &first) != 1) first = kDefaultUnprivileged;
  fclose(file);
  return first;
}

bool may_bind_service() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
  if (syscall(SYS_capget, &header, data) != 0) return false;
  return data[0].effective & (1u << CAP_NET_BIND_SERVICE);
}

/// The kernel's connection manager has two words for a port that is taken: EADDRINUSE for this very address,
/// EADDRNOTAVAIL where one of the two is the wildcard.
int word_for_taken(const SocketAddress& address) {
  if (is_any(address)) return EADDRNOTAVAIL;
  if (address.storage.ss_family != AF_INET) return EADDRINUSE;
  SocketAddress other = address;
  reinterpret_cast<sockaddr_in&>(other.storage).sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
  if (same_host(address, other)) return EADDRINUSE;
  // Whoever has the port at an address that nobody uses has it everywhere.
  auto elsewhere = Socket::open(other, {});
  return !elsewhere && elsewhere.error() == EADDRINUSE ? EADDRNOTAVAIL : EADDRINUSE;
}

}  // namespace

uint16_t udp_port(Space space, uint16_t port) {
  switch (space) {
    case Space::kTcp: return port;
    case Space::kUdp: return port ^ 0x8000;
    case Space::kIpoib: return port ^ 0x4000;
    case Space::kIb: return port ^ 0xc000;
  }
  return port;
}

SocketAddress service_address(Space space, const SocketAddress& service) {
  SocketAddress address = service;
  set_port(address, udp_port(space, port_of(service)));
  return address;
}

Result<std::unique_ptr<Socket>> bind_port(Space space, SocketAddress& address, const Socket::Options& options) {
  uint16_t wanted = port_of(address);
  SocketAddress bound = address;
  if (wanted != 0) {
    // The kernel checks the turned number only.
    if (space != Space::kTcp && wanted < first_unprivileged() && !may_bind_service()) return Error{EACCES};
    set_port(bound, udp_port(space, wanted));
  }
  auto socket = Socket::open(bound, options);
  if (!socket) return Error{socket.error() == EADDRINUSE ? word_for_taken(bound) : socket.error()};
  set_port(address, udp_port(space, port_of(bound)));
  return socket;
}

Result<uint16_t> EphemeralPorts::take() {
  if (free_.empty()) {
    if (auto locked = lock_block(); !locked) return Error{locked.error()};
  }
  uint16_t port = free_.front();
  free_.pop_front();
  return port;
}

Result<void> EphemeralPorts::lock_block() {
  Fd lock(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!lock) return Error{errno};
  int start = static_cast<int>(random_value<uint16_t>() % kBlocks);
  for (int i = 0; i < kBlocks; ++i) {
    int block = (start + i) % kBlocks;
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    int length = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "verbatim-cm-ports-%d", block);
    socklen_t size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1) + static_cast<socklen_t>(length);
    if (bind(lock.get(), reinterpret_cast<sockaddr*>(&name), size) != 0) continue;
    close_in_child(lock.get());
    locks_.push_back(std::move(lock));
    for (int port = 0; port < kBlock; ++port) {
      free_.push_back(static_cast<uint16_t>(kFirstEphemeral + block * kBlock + port));
    }
    return {};
  }
  return Error{EADDRNOTAVAIL};
}

}  // namespace vb::cm
