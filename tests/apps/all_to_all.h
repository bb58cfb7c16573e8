// SPDX-License-Identifier: BSD-2-Clause
// Many processes, each with an RC connection to each other: what the coordinator and its workers tell each other.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

struct Parameters {
  int processes = 64;
  int rounds = 2;
  int gid_index = 1;
  bool events = false;  ///< sleep on the completion channel, do not poll
  std::vector<uint32_t> sizes = {1, 64, 4096, 16384};
};

/// One end of one connection, as it goes to the peer.
struct Endpoint {
  uint32_t qpn;
  uint32_t rkey;
  uint64_t write_address;  ///< where the peer writes
  uint64_t read_address;   ///< where the peer reads
  union ibv_gid gid;
};

inline void require(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what + " (errno " + std::to_string(errno) + ")");
}

/// Moves `length` bytes through a stream socket; throws when the other side is gone.
void send_all(int fd, const void* data, size_t length);
void receive_all(int fd, void* data, size_t length);

/// Joins the others behind `fd`, the worker's end of a socket to the coordinator.
void run_worker(int fd, int rank, const Parameters& parameters);
