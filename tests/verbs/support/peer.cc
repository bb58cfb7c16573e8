// SPDX-License-Identifier: BSD-2-Clause
#include "support/peer.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <optional>

namespace vt {
namespace {

constexpr char kPeerArgument[] = "--verbatim-test-peer";

bool write_all(int fd, const void* data, size_t size) {
  auto* at = static_cast<const uint8_t*>(data);
  while (size) {
    ssize_t n = ::send(fd, at, size, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n, size -= static_cast<size_t>(n);
  }
  return true;
}

bool read_all(int fd, void* data, size_t size) {
  auto* at = static_cast<uint8_t*>(data);
  while (size) {
    ssize_t n = ::recv(fd, at, size, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n, size -= static_cast<size_t>(n);
  }
  return true;
}

bool write_message(int fd, const Bytes& message) {
  uint64_t size = message.size();
  return write_all(fd, &size, sizeof size) && write_all(fd, message.data(), size);
}

std::optional<Bytes> read_message(int fd) {
  uint64_t size = 0;
  if (!read_all(fd, &size, sizeof size)) return std::nullopt;
  Bytes message(size);
  if (!read_all(fd, message.data(), size)) return std::nullopt;
  return message;
}

template <auto Method>
void run_one(End& end, Reader& in, Writer& out) {
  using S = Signature<decltype(Method)>;
  auto arguments = [&]<class... A>(std::type_identity<std::tuple<A...>>) {
    return in.get_all<A...>();
  }(std::type_identity<typename S::Arguments>{});
  auto invoke = [&](auto&... values) { return (end.*Method)(values...); };
  if constexpr (std::is_void_v<typename S::Result>)
    std::apply(invoke, arguments);
  else
    out.put(std::apply(invoke, arguments));
}

template <auto... Methods>
void run_call(MethodList<Methods...>, uint32_t index, End& end, Reader& in, Writer& out) {
  uint32_t i = 0;
  ((i++ == index && (run_one<Methods>(end, in, out), true)) || ...);
}

void run_command(std::unique_ptr<End>& end, Reader& in, Writer& out) {
  auto command = in.get<uint32_t>();
  if (command == kMakeEnd) {
    end.reset();
    end = std::make_unique<End>(in.get<EndOptions>());
  } else if (command == kDropEnd)
    end.reset();
  else if (!end)
    throw std::runtime_error("the peer has no end yet");
  else
    run_call(Calls{}, command, *end, in, out);
}

// A reply begins with the text of the failure, empty for success.
Bytes answer(std::unique_ptr<End>& end, Bytes message) {
  Reader in(std::move(message));
  Writer out;
  out.put(std::string());
  try {
    run_command(end, in, out);
  } catch (const std::exception& failure) {
    out = Writer();
    out.put(std::string(failure.what()));
  }
  return out.bytes;
}

[[noreturn]] void serve(int fd) {
  std::unique_ptr<End> end;
  while (auto message = read_message(fd))
    if (!write_message(fd, answer(end, std::move(*message)))) break;
  end.reset();
  std::exit(0);
}

[[noreturn]] void become_peer(int fd, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  fcntl(fd, F_SETFD, 0);
  char number[16];
  std::snprintf(number, sizeof number, "%d", fd);
  execl("/proc/self/exe", "verbs_api_test_peer", kPeerArgument, number, static_cast<char*>(nullptr));
  _exit(127);
}

}  // namespace

void run_as_peer_if_asked(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], kPeerArgument) == 0) serve(std::atoi(argv[2]));
}

Peer::Peer() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds)) throw std::runtime_error("socketpair failed");
  pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) become_peer(fds[1], parent);
  close(fds[1]);
  socket_ = fds[0];
  if (pid_ < 0) throw std::runtime_error("fork failed");
}

Peer::~Peer() {
  close(socket_);
  kill_now();
}

void Peer::kill_now() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

void Peer::stop_now() {
  kill(pid_, SIGSTOP);
  while (waitpid(pid_, nullptr, WUNTRACED) < 0 && errno == EINTR) {
  }
}

void Peer::go_on() { kill(pid_, SIGCONT); }

bool Peer::alive() {
  if (pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
  return pid_ > 0;
}

void Peer::drop_end() try {
  Writer out;
  out.put(kDropEnd);
  send(out.bytes);
  receive();
} catch (const std::runtime_error&) {
}

void Peer::send(const Bytes& message) {
  if (!write_message(socket_, message)) throw std::runtime_error("the peer process is gone");
}

Bytes Peer::receive() {
  pollfd fd{.fd = socket_, .events = POLLIN, .revents = 0};
  if (poll(&fd, 1, Deadline(std::chrono::seconds(60)).poll_timeout()) != 1)
    throw std::runtime_error("the peer process does not answer");
  auto message = read_message(socket_);
  if (!message) throw std::runtime_error("the peer process is gone");
  return std::move(*message);
}

}  // namespace vt
