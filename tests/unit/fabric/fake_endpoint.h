// SPDX-License-Identifier: BSD-2-Clause
// A fabric that does what a test tells it: deterministic, inside one thread, as strict as any provider. It refuses,
// loses, delays and fails on demand, and checks every key, range and descriptor that it is given.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "fabric/endpoint.h"

namespace vb::fabric {

/// How memory is named, beside what Traits say.
struct FakeModes {
  bool virtual_addresses = false;  ///< FI_MR_VIRT_ADDR: a remote address is the target's own
  uint64_t first_key = 1000;       ///< FI_MR_PROV_KEY: the endpoint chooses the keys, from here on
};

/// What every fake endpoint has unless a test wants something else: a tiny inject size, SAS order only, FI_MR_LOCAL.
Traits strict_traits();

class FakeEndpoint final : public Endpoint {
 public:
  explicit FakeEndpoint(std::string name, Traits traits = strict_traits(), FakeModes modes = {});
  ~FakeEndpoint() override;
  FakeEndpoint(const FakeEndpoint&) = delete;
  FakeEndpoint& operator=(const FakeEndpoint&) = delete;

  // --- what a test does to it ---
  int refuse_sends = 0;          ///< the next sends are answered with EAGAIN; -1: all
  int refuse_transfers = 0;      ///< likewise reads and writes
  int fail_issues = 0;           ///< what is not answered with EAGAIN is refused with this error, once
  int refuse_registrations = 0;  ///< the next registrations fail with ENOMEM
  bool hold_frames = false;      ///< what was sent to here is not delivered
  bool hold_sent = false;        ///< frames that were sent from here do not come back
  bool hold_transfers = false;   ///< what was issued here does not complete
  size_t transfers_per_poll = SIZE_MAX;
  int fail_transfers = 0;  ///< the next transfers to complete fail with this error, and move nothing
  std::function<bool(std::vector<unsigned char>&)> on_arrival;  ///< may change a frame; false: it is lost
  size_t transfers = 0;                                         ///< issued so far
  size_t longest = 0;                                           ///< bytes of the longest
  size_t frames = 0;                                            ///< sent so far
  size_t registrations() const { return regions_.size(); }
  size_t in_flight() const { return moves_.size(); }
  /// Delivers these bytes as a frame from nowhere.
  void inject(std::vector<unsigned char> bytes) { inbox_.push_back(std::move(bytes)); }

  // --- Endpoint ---
  std::vector<unsigned char> name() const override { return {name_.begin(), name_.end()}; }
  Result<Peer> add_peer(std::span<const unsigned char> name) override;
  void remove_peer(Peer) override {}
  int send(Peer peer, Frame& frame) override;
  int read(Peer peer, void* local, size_t length, const Registration& into, uint64_t remote, uint64_t key,
           Transfer& transfer) override;
  int write(Peer peer, const void* local, size_t length, const Registration& from, uint64_t remote, uint64_t key,
            Transfer& transfer) override;
  Result<Registration> register_memory(void* address, size_t length, unsigned access) override;
  void unregister(Registration& registration) override;
  size_t poll(Sink& sink) override;

 private:
  struct Region {
    unsigned char* address;
    size_t length;
    unsigned access;
  };
  struct Move {
    Transfer* transfer;
    FakeEndpoint* peer;
    unsigned char* local;
    size_t length;
    uint64_t remote;
    uint64_t key;
    bool pull;
  };

  int issue(const Move& move, const Registration& local);
  int carry_out(const Move& move);
  unsigned char* resolve(uint64_t key, uint64_t at, size_t length, unsigned access);
  bool local_is_registered(const void* descriptor, const void* at, size_t length) const;

  std::string name_;
  FakeModes modes_;
  uint64_t next_key_;
  std::map<uint64_t, Region> regions_;
  std::deque<std::vector<unsigned char>> inbox_;
  std::deque<Frame*> sent_;
  std::deque<Move> moves_;
};

}  // namespace vb::fabric
