// SPDX-License-Identifier: BSD-2-Clause
// An rsocket: what stream and datagram sockets share. rsocket(7).
//
// A program names a socket by a real descriptor: an epoll set over everything that can bring news to it, so that rpoll
// sleeps on rsockets and on other descriptors alike. The state is guarded by the socket's lock; nobody sleeps with it.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <mutex>

#include "base/fd.h"
#include "base/result.h"

namespace vb::rsocket {

struct Destination {
  const sockaddr* address = nullptr;
  socklen_t length = 0;
};

/// Where a source address goes; `length` is in and out, as recvfrom(2) has it.
struct Source {
  sockaddr* address = nullptr;
  socklen_t* length = nullptr;
};

struct Buffers {
  const iovec* list = nullptr;
  size_t count = 0;
};

class Socket {
 public:
  virtual ~Socket() = default;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int fd() const { return set_.get(); }

  // What the calls of the same names do; errors are those of the socket calls. Thread safe.
  virtual Result<void> bind(Destination address) = 0;
  virtual Result<void> listen(int backlog) = 0;
  virtual Result<std::shared_ptr<Socket>> accept() = 0;
  virtual Result<void> connect(Destination address) = 0;
  virtual Result<void> shutdown(int how) = 0;
  /// Delivers what was sent, and ends the connection. The last call.
  virtual void close() = 0;
  virtual Result<size_t> send(Buffers data, int flags, Destination to) = 0;
  virtual Result<size_t> receive(Buffers room, int flags, Source from) = 0;
  virtual Result<void> local_address(Source out) = 0;
  virtual Result<void> peer_address(Source out) = 0;
  virtual Result<void> set_option(int level, int name, const void* value, socklen_t length) = 0;
  virtual Result<void> get_option(int level, int name, void* value, socklen_t* length) = 0;

  int flags() const { return nonblocking_ ? O_NONBLOCK_FLAG : 0; }
  void set_nonblocking(bool on) { nonblocking_ = on; }

  // What rpoll needs.
  /// Takes in what has come, and says which poll(2) events hold.
  short ready();
  /// News will show at fd() from now on. What is ready already, as ready(): then nobody needs to sleep. Must be
  /// followed by end_wait().
  short begin_wait();
  void end_wait();

 protected:
  static constexpr int O_NONBLOCK_FLAG = 04000;
  Socket() = default;

  Result<void> open();
  /// News of `fd` are news of this socket.
  Result<void> watch(int fd);

  // With the lock held.
  /// Takes in what has come. True: something has.
  virtual bool progress() = 0;
  /// Whatever comes next shows at a watched descriptor.
  virtual void arm() = 0;
  virtual short events() = 0;

  /// Waits until done(), which is asked after everything that came was taken in. EAGAIN when that would block and
  /// `nonblocking`; EINTR after a signal.
  template <class Done>
  Result<void> wait(std::unique_lock<std::mutex>& guard, bool nonblocking, Done done) {
    for (bool spun = false;; spun = true) {
      take_in();
      if (done()) return {};
      if (nonblocking) return Error{EAGAIN};
      if (!spun && spin(done)) return {};
      // What comes between arming and looking takes the alarm with it: then it is set again.
      do {
        arm();
      } while (take_in() && !done());
      if (done()) return {};
      if (auto slept = sleep(guard); !slept) return slept;
    }
  }
  bool would_block(int flags) const { return nonblocking_ || (flags & MSG_DONTWAIT); }
  /// True: something has come.
  bool take_in();

  std::mutex lock_;
  bool nonblocking_ = false;

 private:
  template <class Done>
  bool spin(Done done) {
    for (uint64_t end = spin_end(); now() < end;) {
      take_in();
      if (done()) return true;
    }
    return false;
  }
  static uint64_t now();
  static uint64_t spin_end();
  Result<void> sleep(std::unique_lock<std::mutex>& guard);
  void leave();

  Fd set_;
  Fd wake_;  ///< readable while some sleepers have not seen what others have taken in
  unsigned sleepers_ = 0;
};

/// Copies as recvfrom(2) and getsockname(2) do: as much as there is room for, and the whole length.
void copy_address(const sockaddr* address, Source out);
socklen_t address_length(const sockaddr* address);
/// Copies an option's value as getsockopt(2) does. EINVAL: no room.
Result<void> copy_option(int setting, void* value, socklen_t* length);

}  // namespace vb::rsocket
