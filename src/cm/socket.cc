// SPDX-License-Identifier: BSD-2-Clause
#include "cm/socket.h"

// linux/errqueue.h wants time.h before it.
#include <time.h>

#include <fcntl.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "base/fork.h"
#include "cm/address.h"

namespace vb::cm {

namespace {

constexpr int kBuffer = 1 << 20;
constexpr int kAttempts = 16;

void set(int fd, int level, int option, int value) { setsockopt(fd, level, option, &value, sizeof value); }

void prepare(int fd, int family, const Socket::Options& options) {
  if (family == AF_INET6) {
    set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    set(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
    if (options.v6_only_given) set(fd, IPPROTO_IPV6, IPV6_V6ONLY, options.v6_only);
  } else {
    set(fd, IPPROTO_IP, IP_PKTINFO, 1);
  }
  // A dual-stack socket hears of IPv4 errors by the IPv4 option.
  set(fd, IPPROTO_IP, IP_RECVERR, 1);
  // Clipped by the system's limit; what overflows is sent again.
  set(fd, SOL_SOCKET, SO_RCVBUF, kBuffer);
  if (options.reuse) set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

void take_local(msghdr& message, SocketAddress& local) {
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each)) {
    if (each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      memcpy(&info, CMSG_DATA(each), sizeof info);
      local = any_address(AF_INET, 0);
      reinterpret_cast<sockaddr_in&>(local.storage).sin_addr = info.ipi_addr;
    } else if (each->cmsg_level == IPPROTO_IPV6 && each->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      memcpy(&info, CMSG_DATA(each), sizeof info);
      local = any_address(AF_INET6, 0);
      auto& address = reinterpret_cast<sockaddr_in6&>(local.storage);
      address.sin6_addr = info.ipi6_addr;
      if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) address.sin6_scope_id = info.ipi6_ifindex;
    }
  }
  unmap(local);
}

bool says_refused(msghdr& message) {
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each)) {
    bool v4 = each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_RECVERR;
    bool v6 = each->cmsg_level == IPPROTO_IPV6 && each->cmsg_type == IPV6_RECVERR;
    if (!v4 && !v6) continue;
    sock_extended_err error;
    memcpy(&error, CMSG_DATA(each), sizeof error);
    return error.ee_errno == ECONNREFUSED;
  }
  return false;
}

}  // namespace

Result<std::unique_ptr<Socket>> Socket::open(SocketAddress& address, const Options& options) {
  Fd fd(socket(address.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return Error{errno};
  prepare(fd.get(), address.storage.ss_family, options);
  if (bind(fd.get(), address.get(), address.length) != 0) return Error{errno};
  SocketAddress bound;
  bound.length = sizeof bound.storage;
  if (getsockname(fd.get(), bound.get(), &bound.length) != 0) return Error{errno};
  address = bound;
  close_in_child(fd.get());
  return std::unique_ptr<Socket>(new Socket(std::move(fd)));
}

void Socket::show_listener() { fcntl(fd_.get(), F_SETFL, fcntl(fd_.get(), F_GETFL) | O_APPEND); }

Socket::~Socket() { keep_in_child(fd_.get()); }

Socket::Arrival Socket::receive(std::span<unsigned char> buffer, Datagram& datagram) {
  // Errors other than "nothing there" are those of what was sent before: they are taken from their own queue. Each is
  // told once, but a descriptor that the program has closed under us fails for ever.
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    alignas(cmsghdr) char control[256];
    iovec vector{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_name = datagram.peer.get();
    message.msg_namelen = sizeof datagram.peer.storage;
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t got = recvmsg(fd_.get(), &message, 0);
    if (got >= 0) {
      datagram.size = static_cast<size_t>(got);
      datagram.peer.length = message.msg_namelen;
      take_local(message, datagram.local);
      unmap(datagram.peer);
      return Arrival::kDatagram;
    }
    if (errno == EAGAIN) break;
  }
  return take_error(buffer, datagram) ? Arrival::kRefused : Arrival::kNone;
}

bool Socket::take_error(std::span<unsigned char> buffer, Datagram& datagram) {
  for (;;) {
    alignas(cmsghdr) char control[512];
    iovec vector{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_name = datagram.peer.get();
    message.msg_namelen = sizeof datagram.peer.storage;
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t got = recvmsg(fd_.get(), &message, MSG_ERRQUEUE);
    if (got < 0) return false;
    if (!says_refused(message)) continue;
    datagram.size = static_cast<size_t>(got);
    datagram.peer.length = message.msg_namelen;
    unmap(datagram.peer);
    return true;
  }
}

void Socket::send(const SocketAddress& to, std::span<const unsigned char> bytes) {
  // The first call may report, instead of sending, what became of an earlier datagram.
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (sendto(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL, to.get(), to.length) >= 0) return;
    if (errno == EAGAIN || errno == EMSGSIZE) return;
  }
}

}  // namespace vb::cm
