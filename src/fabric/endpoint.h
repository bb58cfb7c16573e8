// SPDX-License-Identifier: BSD-2-Clause
// What the transport needs of a fabric: frames (messages from buffers of ours) and bulk one-sided transfers.
// Implementations: OfiEndpoint (any libfabric RDM provider), ShmEndpoint (between processes of one host),
// LoopbackEndpoint (inside the process).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace vb::fabric {

using Peer = uint64_t;  ///< an endpoint's name for a peer (fi_addr_t)

/// What a provider grants, as its attributes say.
struct Traits {
  std::string provider;
  size_t frame_size = 0;            ///< the largest frame that travels at message cost, bytes
  size_t inject_size = 0;           ///< frames up to this size are copied by the provider at once
  size_t max_transfer = 0;          ///< bytes of one bulk transfer
  bool reads_in_order = false;      ///< several outstanding read() deliver in the order of issue
  bool registers_local = false;     ///< local memory of transfers must be registered (FI_MR_LOCAL)
  bool registers_anything = false;  ///< registrations pin nothing: memory may come and go (no FI_MR_ALLOCATED)
  bool reaches_by_kernel = false;   ///< transfers are system calls on the other process's memory
  bool has_wait_fd = false;         ///< false: a sleeping peer needs a doorbell
};

/// What a provider holds until it is complete. Its address is the operation's context.
struct InFlight {
  alignas(16) unsigned char provider_context[64];  ///< the provider's (FI_CONTEXT2)
  InFlight* newer = nullptr;
  InFlight** place = nullptr;  ///< where the list points to this one; nullptr: not in flight
  bool transfer = false;
};

/// A message buffer. Owned by whoever fills it, by the endpoint from send() until released(), and by the pool.
struct Frame : InFlight {
  Frame* next = nullptr;
  void* owner = nullptr;       ///< the channel that sends it
  void* descriptor = nullptr;  ///< of local memory, where the provider wants one
  uint32_t size = 0;
  unsigned char* data = nullptr;
};

/// A one-sided transfer under way. The caller keeps it until finished().
struct Transfer : InFlight {
  void* owner = nullptr;
};

/// A provider's registration of memory: what a peer quotes to reach it.
struct Registration {
  void* handle = nullptr;
  void* descriptor = nullptr;
  uint64_t key = 0;
  bool may_fault = false;  ///< pages may be missing when it is used
  uint64_t base = 0;       ///< what to subtract from a virtual address to get the provider's remote address
};

/// kMayFault: pages may be missing when the registration is used.
enum Access : unsigned { kLocal = 0, kRemoteRead = 1, kRemoteWrite = 2, kMayFault = 4 };

struct Range {
  uint64_t begin, size;
};

/// What an endpoint reports from poll().
class Sink {
 public:
  virtual void received(std::span<const unsigned char> frame) = 0;  ///< valid during the call
  virtual void released(Frame& frame, int error) = 0;
  virtual void finished(Transfer& transfer, int error) = 0;

 protected:
  ~Sink() = default;
};

/// Not thread safe: the lane's lock serialises all calls. int results: 0, EAGAIN (try again after poll) or an errno.
class Endpoint : public std::enable_shared_from_this<Endpoint> {
 public:
  virtual ~Endpoint() = default;

  const Traits& traits() const { return traits_; }
  /// Leaves the fabric (exit): removes what the provider keeps outside the process. Only unregister() may follow.
  virtual void close() {}
  /// Leaves the fabric while the process goes on: what is in flight fails with ECANCELED, and nothing touches its
  /// memory any more. Afterwards everything but unregister() and remove_peer() fails with ESHUTDOWN.
  virtual void abandon(Sink&) { close(); }
  /// This endpoint's address, in the provider's own format.
  virtual std::vector<unsigned char> name() const = 0;
  virtual Result<Peer> add_peer(std::span<const unsigned char> name) = 0;
  virtual void remove_peer(Peer peer) = 0;
  /// The peer's process was killed: nothing it may have left half done holds us up any more.
  virtual void peer_died(Peer) {}

  /// Takes the frame over when it returns 0: it comes back through Sink::released.
  virtual int send(Peer peer, Frame& frame) = 0;
  virtual int read(Peer peer, void* local, size_t length, const Registration& into, uint64_t remote, uint64_t key,
                   Transfer& transfer) = 0;
  virtual int write(Peer peer, const void* local, size_t length, const Registration& from, uint64_t remote,
                    uint64_t key, Transfer& transfer) = 0;

  virtual Result<Registration> register_memory(void* address, size_t length, unsigned access) = 0;
  virtual void unregister(Registration& registration) = 0;

  /// Reports what has happened; returns how much.
  virtual size_t poll(Sink& sink) = 0;
  /// -1 when the provider has none.
  virtual int wait_fd() const { return -1; }
  /// Whether sleeping on wait_fd() is safe now; false: poll again.
  virtual bool may_sleep() { return true; }

 protected:
  Traits traits_;
};

}  // namespace vb::fabric
