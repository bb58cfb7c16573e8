// SPDX-License-Identifier: BSD-2-Clause
// rsockets. rsocket(7). They are ours unless only real devices are to be used.
#include <fcntl.h>
#include <infiniband/ib.h>

#include <cstdarg>

#include "base/config.h"
#include "entry.h"
#include "rsocket/datagram.h"
#include "rsocket/entry_points.h"
#include "rsocket/epoll.h"
#include "rsocket/poll.h"
#include "rsocket/registry.h"
#include "rsocket/stream.h"

using namespace vb;
using namespace vb::door;
using rsocket::Buffers;
using rsocket::Destination;
using rsocket::Socket;
using rsocket::Source;
using rsocket::Stream;

namespace {

bool ours_here() { return config().native != Native::only; }

/// Runs body(socket) for the rsocket `fd`; EBADF when it is none. -1 and errno on failure.
template <class Body>
auto with(int fd, Body&& body) {
  using Value = std::decay_t<decltype(*body(std::declval<Socket&>()))>;
  auto result = guarded([&]() -> Result<Value> {
    auto socket = rsocket::find(fd);
    if (!socket) return Error{EBADF};
    return body(*socket);
  });
  if (result) return static_cast<ssize_t>(*result);
  if (result.error() == EAGAIN) rsocket::would_block(fd);
  errno = result.error();
  return ssize_t{-1};
}

template <class Body>
int call(int fd, Body&& body) {
  return minus_one_entry([&]() -> Result<void> {
    auto socket = rsocket::find(fd);
    if (!socket) return Error{EBADF};
    return body(*socket);
  });
}

template <class Body>
auto with_stream(int fd, Body&& body) {
  return with(fd, [&](Socket& socket) -> decltype(body(std::declval<Stream&>())) {
    auto* stream = dynamic_cast<Stream*>(&socket);
    if (!stream) return Error{EOPNOTSUPP};
    return body(*stream);
  });
}

Result<int> enter(Result<std::shared_ptr<Socket>> socket) {
  if (!socket) return Error{socket.error()};
  rsocket::add(*socket);
  return (*socket)->fd();
}

int as_fd(Result<int> fd) {
  if (fd) return *fd;
  errno = fd.error();
  return -1;
}

Result<int> make(int domain, int type, int protocol) {
  int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
  bool by_gid = domain == AF_IB && kind == SOCK_STREAM;
  if (domain != AF_INET && domain != AF_INET6 && !by_gid) return Error{EAFNOSUPPORT};
  bool stream = kind == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP);
  bool datagram = kind == SOCK_DGRAM && (protocol == 0 || protocol == IPPROTO_UDP);
  if (!stream && !datagram) return Error{kind == SOCK_STREAM || kind == SOCK_DGRAM ? EPROTONOSUPPORT : ESOCKTNOSUPPORT};
  auto socket = stream ? Stream::create(domain) : rsocket::Datagram::create(domain);
  if (socket && (type & SOCK_NONBLOCK)) (*socket)->set_nonblocking(true);
  return enter(std::move(socket));
}

}  // namespace

VB_DOOR int rsocket(int domain, int type, int protocol) {
  if (!ours_here()) return native_rsocket(domain, type, protocol);
  return as_fd(guarded([&] { return make(domain, type, protocol); }));
}

VB_DOOR int rbind(int fd, const sockaddr* address, socklen_t length) {
  if (!ours_here()) return native_rbind(fd, address, length);
  return call(fd, [&](Socket& socket) { return socket.bind({address, length}); });
}

VB_DOOR int rlisten(int fd, int backlog) {
  if (!ours_here()) return native_rlisten(fd, backlog);
  return call(fd, [&](Socket& socket) { return socket.listen(backlog); });
}

VB_DOOR int raccept(int fd, sockaddr* address, socklen_t* length) {
  if (!ours_here()) return native_raccept(fd, address, length);
  return static_cast<int>(with(fd, [&](Socket& socket) -> Result<int> {
    auto accepted = socket.accept();
    if (accepted && address) (void)(*accepted)->peer_address({address, length});
    return enter(std::move(accepted));
  }));
}

VB_DOOR int rconnect(int fd, const sockaddr* address, socklen_t length) {
  if (!ours_here()) return native_rconnect(fd, address, length);
  return call(fd, [&](Socket& socket) { return socket.connect({address, length}); });
}

VB_DOOR int rshutdown(int fd, int how) {
  if (!ours_here()) return native_rshutdown(fd, how);
  return call(fd, [&](Socket& socket) { return socket.shutdown(how); });
}

VB_DOOR int rclose(int fd) {
  if (!ours_here()) return native_rclose(fd);
  return minus_one_entry([&]() -> Result<void> {
    auto socket = rsocket::remove(fd);
    if (!socket) return Error{EBADF};
    socket->close();
    return {};
  });
}

// --- data --------------------------------------------------------------------------------------------------------

VB_DOOR ssize_t rsendto(int fd, const void* data, size_t size, int flags, const sockaddr* to, socklen_t length) {
  if (!ours_here()) return native_rsendto(fd, data, size, flags, to, length);
  iovec one{const_cast<void*>(data), size};
  return with(fd, [&](Socket& socket) { return socket.send({&one, 1}, flags, {to, length}); });
}

VB_DOOR ssize_t rsend(int fd, const void* data, size_t size, int flags) {
  if (!ours_here()) return native_rsend(fd, data, size, flags);
  iovec one{const_cast<void*>(data), size};
  return with(fd, [&](Socket& socket) { return socket.send({&one, 1}, flags, {}); });
}

VB_DOOR ssize_t rwrite(int fd, const void* data, size_t size) {
  if (!ours_here()) return native_rwrite(fd, data, size);
  iovec one{const_cast<void*>(data), size};
  return with(fd, [&](Socket& socket) { return socket.send({&one, 1}, 0, {}); });
}

VB_DOOR ssize_t rwritev(int fd, const iovec* list, int count) {
  if (!ours_here()) return native_rwritev(fd, list, count);
  return with(fd, [&](Socket& socket) { return socket.send({list, static_cast<size_t>(count)}, 0, {}); });
}

VB_DOOR ssize_t rsendmsg(int fd, const msghdr* message, int flags) {
  if (!ours_here()) return native_rsendmsg(fd, message, flags);
  return with(fd, [&](Socket& socket) -> Result<size_t> {
    if (message->msg_control && message->msg_controllen) return Error{EOPNOTSUPP};
    Destination to{static_cast<const sockaddr*>(message->msg_name), message->msg_namelen};
    return socket.send({message->msg_iov, message->msg_iovlen}, flags, to);
  });
}

VB_DOOR ssize_t rrecvfrom(int fd, void* data, size_t size, int flags, sockaddr* from, socklen_t* length) {
  if (!ours_here()) return native_rrecvfrom(fd, data, size, flags, from, length);
  iovec one{data, size};
  return with(fd, [&](Socket& socket) { return socket.receive({&one, 1}, flags, {from, length}); });
}

VB_DOOR ssize_t rrecv(int fd, void* data, size_t size, int flags) {
  if (!ours_here()) return native_rrecv(fd, data, size, flags);
  iovec one{data, size};
  return with(fd, [&](Socket& socket) { return socket.receive({&one, 1}, flags, {}); });
}

VB_DOOR ssize_t rread(int fd, void* data, size_t size) {
  if (!ours_here()) return native_rread(fd, data, size);
  iovec one{data, size};
  return with(fd, [&](Socket& socket) { return socket.receive({&one, 1}, 0, {}); });
}

VB_DOOR ssize_t rreadv(int fd, const iovec* list, int count) {
  if (!ours_here()) return native_rreadv(fd, list, count);
  return with(fd, [&](Socket& socket) { return socket.receive({list, static_cast<size_t>(count)}, 0, {}); });
}

VB_DOOR ssize_t rrecvmsg(int fd, msghdr* message, int flags) {
  if (!ours_here()) return native_rrecvmsg(fd, message, flags);
  return with(fd, [&](Socket& socket) {
    message->msg_controllen = 0;
    message->msg_flags = 0;
    Source from{static_cast<sockaddr*>(message->msg_name), message->msg_name ? &message->msg_namelen : nullptr};
    return socket.receive({message->msg_iov, message->msg_iovlen}, flags, from);
  });
}

// --- waiting, addresses, options ---------------------------------------------------------------------------------

VB_DOOR int rpoll(pollfd* fds, nfds_t count, int timeout) {
  if (!ours_here()) return native_rpoll(fds, count, timeout);
  return as_fd(guarded([&] { return rsocket::poll(fds, count, timeout); }));
}

VB_DOOR int rselect(int count, fd_set* readable, fd_set* writable, fd_set* exceptional, timeval* timeout) {
  if (!ours_here()) return native_rselect(count, readable, writable, exceptional, timeout);
  return as_fd(guarded([&] { return rsocket::select(count, readable, writable, exceptional, timeout); }));
}

VB_DOOR int rgetpeername(int fd, sockaddr* address, socklen_t* length) {
  if (!ours_here()) return native_rgetpeername(fd, address, length);
  return call(fd, [&](Socket& socket) { return socket.peer_address({address, length}); });
}

VB_DOOR int rgetsockname(int fd, sockaddr* address, socklen_t* length) {
  if (!ours_here()) return native_rgetsockname(fd, address, length);
  return call(fd, [&](Socket& socket) { return socket.local_address({address, length}); });
}

VB_DOOR int rsetsockopt(int fd, int level, int name, const void* value, socklen_t length) {
  if (!ours_here()) return native_rsetsockopt(fd, level, name, value, length);
  return call(fd, [&](Socket& socket) { return socket.set_option(level, name, value, length); });
}

VB_DOOR int rgetsockopt(int fd, int level, int name, void* value, socklen_t* length) {
  if (!ours_here()) return native_rgetsockopt(fd, level, name, value, length);
  return call(fd, [&](Socket& socket) { return socket.get_option(level, name, value, length); });
}

VB_DOOR int rfcntl(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  long argument = command == F_GETFL ? 0 : va_arg(arguments, long);
  va_end(arguments);
  if (!ours_here()) return native_rfcntl(fd, command, argument);
  return static_cast<int>(with(fd, [&](Socket& socket) -> Result<int> {
    if (command == F_GETFL) return O_RDWR | socket.flags();
    if (command != F_SETFL) return Error{EOPNOTSUPP};
    socket.set_nonblocking(argument & O_NONBLOCK);
    return 0;
  }));
}

// --- direct placement --------------------------------------------------------------------------------------------

VB_DOOR off_t riomap(int fd, void* buffer, size_t length, int protection, int, off_t offset) {
  if (!ours_here()) return native_riomap(fd, buffer, length, protection, 0, offset);
  return with_stream(fd, [&](Stream& stream) { return stream.map(buffer, length, protection, offset); });
}

VB_DOOR int riounmap(int fd, void* buffer, size_t length) {
  if (!ours_here()) return native_riounmap(fd, buffer, length);
  return static_cast<int>(with_stream(fd, [&](Stream& stream) -> Result<int> {
    auto done = stream.unmap(buffer, length);
    return done ? Result<int>(0) : Error{done.error()};
  }));
}

VB_DOOR size_t riowrite(int fd, const void* data, size_t size, off_t offset, int flags) {
  if (!ours_here()) return native_riowrite(fd, data, size, offset, flags);
  return static_cast<size_t>(
      with_stream(fd, [&](Stream& stream) { return stream.write_mapped(data, size, offset, flags); }));
}
