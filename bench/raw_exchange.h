// SPDX-License-Identifier: BSD-2-Clause
// The TCP connection by which the two processes of a raw benchmark find each other. It carries no measured traffic,
// but for the socket ping-pong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace vb::bench {

class Exchange {
 public:
  /// Waits for one client at address:port.
  static Exchange serve(const std::string& address, uint16_t port);
  /// Connects to a server, which may still be starting. Gives up after some seconds.
  static Exchange connect(const std::string& address, uint16_t port);

  Exchange(Exchange&& other) noexcept;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  Exchange& operator=(Exchange&&) = delete;
  ~Exchange();

  void write(const void* data, size_t size);
  void read(void* data, size_t size);
  /// Whether read() would find something (or the end).
  bool readable() const;

  /// Sends ours and returns the peer's. Both sides call it.
  std::vector<unsigned char> swap(const std::vector<unsigned char>& ours);
  /// The local IP address of the connection.
  std::string local_address() const;

 private:
  explicit Exchange(int socket);
  int socket_;
};

}  // namespace vb::bench
