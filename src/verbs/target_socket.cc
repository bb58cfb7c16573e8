// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/target_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>

#include "base/clock.h"

namespace vb {

namespace {

constexpr int kBacklog = 128;
constexpr timeval kConnectPatience{10, 0};

struct Name {
  sockaddr_un address{};
  socklen_t length = 0;
};

Name name_of(uint32_t device, uint32_t slot) {
  Name name;
  name.address.sun_family = AF_UNIX;
  char* text = name.address.sun_path + 1;  // after a NUL: abstract
  const int size = snprintf(text, sizeof name.address.sun_path - 1, "verbatim-xrc-%u-%u", device, slot);
  name.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + static_cast<size_t>(size));
  return name;
}

const sockaddr* plain(const Name& name) { return reinterpret_cast<const sockaddr*>(&name.address); }

}  // namespace

Result<Fd> listen_for_openers(uint32_t device, uint32_t slot) {
  const Name name = name_of(device, slot);
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket || bind(socket.get(), plain(name), name.length) != 0) return Error{errno};
  if (listen(socket.get(), kBacklog) != 0) return Error{errno};
  return socket;
}

Result<Fd> connect_to_owner(uint32_t device, uint32_t slot) {
  const Name name = name_of(device, slot);
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) return Error{errno};
  setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kConnectPatience, sizeof kConnectPatience);
  while (connect(socket.get(), plain(name), name.length) != 0) {
    if (errno != EINTR) return Error{errno};
  }
  return socket;
}

bool send_message(const Fd& socket, const wire::TargetMessage& message) {
  return send(socket.get(), &message, sizeof message, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof message;
}

Received receive_message(const Fd& socket, wire::TargetMessage& message) {
  const ssize_t got = recv(socket.get(), &message, sizeof message, MSG_DONTWAIT | MSG_TRUNC);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Received::kNothing;
  const bool whole = got == static_cast<ssize_t>(sizeof message) && message.magic == wire::kTargetMagic;
  return whole ? Received::kMessage : Received::kGone;
}

Received wait_for_message(const Fd& socket, wire::TargetMessage& message, int milliseconds) {
  const uint64_t give_up = clock_ns() + static_cast<uint64_t>(milliseconds) * kMillisecond;
  for (;;) {
    const Received got = receive_message(socket, message);
    const uint64_t now = clock_ns();
    if (got != Received::kNothing || now >= give_up) return got;
    pollfd readable{socket.get(), POLLIN, 0};
    poll(&readable, 1, static_cast<int>((give_up - now) / kMillisecond) + 1);
  }
}

}  // namespace vb
