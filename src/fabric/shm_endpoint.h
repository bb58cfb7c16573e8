// SPDX-License-Identifier: BSD-2-Clause
// The fabric between processes of one host: frames travel by inboxes, transfers by libfabric's shm provider.
//
// That provider guards each process's region by a spin lock in memory that all peers map. Every poll takes it away from
// who sends, every send from who polls, and whoever is killed inside leaves it locked for ever. So small things do not
// go that way; and of bulk, for which the kernel does the work, the region is entered only when its lock is free.
#pragma once

#include <memory>
#include <vector>

#include "fabric/endpoint.h"
#include "fabric/inbox.h"
#include "fabric/shared_region.h"

namespace vb::fabric {

class ShmEndpoint : public Endpoint, private Sink {
 public:
  /// `provider`: the shm provider's endpoint, used for transfers.
  explicit ShmEndpoint(std::unique_ptr<Endpoint> provider);
  Result<void> open();
  void close() override;

  std::vector<unsigned char> name() const override;
  Result<Peer> add_peer(std::span<const unsigned char> name) override;
  void remove_peer(Peer peer) override;
  void peer_died(Peer peer) override;
  int send(Peer peer, Frame& frame) override;
  int read(Peer peer, void* local, size_t length, const Registration& into, uint64_t remote, uint64_t key,
           Transfer& transfer) override;
  int write(Peer peer, const void* local, size_t length, const Registration& from, uint64_t remote, uint64_t key,
            Transfer& transfer) override;
  Result<Registration> register_memory(void* address, size_t length, unsigned access) override;
  void unregister(Registration& registration) override;
  size_t poll(Sink& sink) override;
  bool may_sleep() override;

 private:
  struct Known {
    SharedRegion region;
    Outbox outbox;
    pid_t process = 0;
  };

  void received(std::span<const unsigned char>) override {}
  void released(Frame&, int) override {}
  void finished(Transfer& transfer, int error) override;

  bool may_enter(Peer peer) const { return region_.passable() && peers_[peer].region.passable(); }
  int began(int status);
  size_t poll_provider(Sink& sink);
  void notice_work() { looks_in_vain_ = 0; }

  std::unique_ptr<Endpoint> provider_;
  SharedRegion region_;
  Inbox inbox_;
  std::vector<Known> peers_;  ///< by peer: the provider counts them from 0
  Frame* sent_ = nullptr;     ///< copied, and to be given back
  uint32_t transfers_ = 0;    ///< under way
  bool unread_ = true;        ///< the provider's completion queue may hold something
  uint32_t idle_polls_ = 0;
  bool by_copies_ = false;      ///< the kernel does not move the data of some peer: both sides copy, piece by piece
  uint32_t looks_in_vain_ = 0;  ///< since something happened at the provider
  Sink* sink_ = nullptr;        ///< during a poll
};

}  // namespace vb::fabric
