// SPDX-License-Identifier: BSD-2-Clause
#include "raw_exchange.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

namespace vb::bench {
namespace {

constexpr int kConnectAttempts = 500;
constexpr auto kConnectPause = std::chrono::milliseconds(20);

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

sockaddr_in socket_address(const std::string& address, uint16_t port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(port);
  if (inet_pton(AF_INET, address.c_str(), &result.sin_addr) != 1)
    throw std::runtime_error("no IPv4 address: " + address);
  return result;
}

int new_socket() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  return fd;
}

}  // namespace

Exchange::Exchange(int socket) : socket_(socket) {
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Exchange::Exchange(Exchange&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}

Exchange::~Exchange() {
  if (socket_ >= 0) ::close(socket_);
}

Exchange Exchange::serve(const std::string& address, uint16_t port) {
  const sockaddr_in at = socket_address(address, port);
  const int listener = new_socket();
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) fail("bind");
  if (::listen(listener, 1) != 0) fail("listen");
  const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) fail("accept");
  ::close(listener);
  return Exchange(fd);
}

Exchange Exchange::connect(const std::string& address, uint16_t port) {
  const sockaddr_in to = socket_address(address, port);
  for (int attempt = 0; attempt < kConnectAttempts; ++attempt) {
    const int fd = new_socket();
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) return Exchange(fd);
    ::close(fd);
    std::this_thread::sleep_for(kConnectPause);
  }
  throw std::runtime_error("no server at " + address + ":" + std::to_string(port));
}

void Exchange::write(const void* data, size_t size) {
  const char* from = static_cast<const char*>(data);
  while (size != 0) {
    const ssize_t n = ::send(socket_, from, size, MSG_NOSIGNAL);
    if (n < 0) fail("send");
    from += n;
    size -= static_cast<size_t>(n);
  }
}

void Exchange::read(void* data, size_t size) {
  char* to = static_cast<char*>(data);
  while (size != 0) {
    const ssize_t n = ::recv(socket_, to, size, 0);
    if (n < 0) fail("recv");
    if (n == 0) throw std::runtime_error("the other side has gone");
    to += n;
    size -= static_cast<size_t>(n);
  }
}

bool Exchange::readable() const {
  pollfd state{socket_, POLLIN, 0};
  return ::poll(&state, 1, 0) > 0;
}

std::vector<unsigned char> Exchange::swap(const std::vector<unsigned char>& ours) {
  const uint32_t our_size = static_cast<uint32_t>(ours.size());
  write(&our_size, sizeof our_size);
  write(ours.data(), ours.size());
  uint32_t their_size = 0;
  read(&their_size, sizeof their_size);
  if (their_size > 4096) throw std::runtime_error("the other side is no raw_fabric");
  std::vector<unsigned char> theirs(their_size);
  read(theirs.data(), theirs.size());
  return theirs;
}

std::string Exchange::local_address() const {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) != 0) fail("getsockname");
  char text[INET_ADDRSTRLEN];
  return inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
}

}  // namespace vb::bench
