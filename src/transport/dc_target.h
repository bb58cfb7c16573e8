// SPDX-License-Identifier: BSD-2-Clause
// A DC target: whatever initiator knows its number and its key sends to it. For each it has a responder, with the
// connection that the initiator is at; all take receives from one SRQ and complete to one queue. Guarded by the lane's
// lock.
#pragma once

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "transport/channel.h"
#include "transport/connected_queue_pair.h"

namespace vb {

class DcTarget final : public QueuePair {
 public:
  /// Told under the lane's lock: must not block.
  class Listener {
   public:
    /// A request with a wrong key was refused.
    virtual void key_violated() = 0;
    /// A request was refused: IBV_EVENT_QP_REQ_ERR, IBV_EVENT_QP_ACCESS_ERR.
    virtual void refused(ibv_event_type type) = 0;

   protected:
    ~Listener() = default;
  };

  DcTarget(uint64_t key, Listener& listener) : key_(key), listener_(listener), events_(*this) {}

  uint32_t key_violations = 0;

  void run() override {}
  void receive(Channel& from, const wire::Packet& packet) override;
  bool drained() const override { return true; }
  bool quiet() const override;
  bool uses(const void* object) const override;
  void flush() override {}
  void cut_off() override;
  void detach() override;

 protected:
  void stop(ibv_wc_status first, uint32_t vendor_error) override;

 private:
  /// One initiator's connection.
  struct Connection final : ConnectedQueuePair {
    uint32_t number = 0;
  };
  using Initiator = std::pair<ProcessId, uint32_t>;  ///< process, QPN

  /// What goes wrong with one initiator is not the target's end.
  struct Events final : QueuePair::Listener {
    explicit Events(DcTarget& owner) : target(owner) {}
    void async_event(ibv_event_type type) override;
    DcTarget& target;
  };

  /// Initiators at once; a further one is not connected.
  static constexpr size_t kMaxInitiators = 1 << 16;

  Connection* connect(Channel& from, const wire::Packet& packet);
  void violate(Channel& from, const wire::Packet& packet);
  void sweep();

  uint64_t key_;
  DcTarget::Listener& listener_;
  Events events_;
  std::map<Initiator, std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Connection>> leaving_;  ///< ended, and some transfer is not
};

}  // namespace vb
