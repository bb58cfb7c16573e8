// SPDX-License-Identifier: BSD-2-Clause
// The fabric between queue pairs of one process: frames change hands, transfers are memory copies.
#pragma once

#include <deque>

#include "fabric/endpoint.h"

namespace vb::fabric {

class LoopbackEndpoint : public Endpoint {
 public:
  LoopbackEndpoint();

  std::vector<unsigned char> name() const override { return {}; }
  Result<Peer> add_peer(std::span<const unsigned char>) override { return Peer{0}; }
  void remove_peer(Peer) override {}
  int send(Peer peer, Frame& frame) override;
  int read(Peer peer, void* local, size_t length, const Registration& into, uint64_t remote, uint64_t key,
           Transfer& transfer) override;
  int write(Peer peer, const void* local, size_t length, const Registration& from, uint64_t remote, uint64_t key,
            Transfer& transfer) override;
  Result<Registration> register_memory(void* address, size_t length, unsigned access) override;
  void unregister(Registration&) override {}
  size_t poll(Sink& sink) override;

 private:
  Frame* head_ = nullptr;
  Frame** tail_ = &head_;
  void move(void* to, const void* from, size_t length, bool may_fault, Transfer& transfer);
  struct Finished {
    Transfer* transfer;
    int error;
  };
  std::deque<Finished> finished_;
};

}  // namespace vb::fabric
