// SPDX-License-Identifier: BSD-2-Clause
// The responder: executes a peer's requests in order, checks every access, and answers. InfiniBand specification,
// chapter 9.9.3. Guarded by the lane's lock.
//
// Most requests are executed where they arrive. One whose data the fabric moves (a large payload) or whose answer finds
// no room becomes an Operation; what comes behind it waits in the pipeline, so that order holds.
#pragma once

#include <infiniband/verbs.h>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "fabric/endpoint.h"
#include "transport/memory.h"
#include "transport/receive_queue.h"
#include "transport/sequence.h"
#include "transport/tag_header.h"
#include "wire/packet.h"

namespace vb {

class Channel;
class ConnectedQueuePair;
class CompletionQueue;
class SharedReceiveQueue;
struct Cqe;
struct MemoryRegion;
struct MemoryWindow;

class Responder {
 private:
  struct Operation;
  struct Recycle {
    void operator()(Operation* operation) const;
  };
  using OwnedOperation = std::unique_ptr<Operation, Recycle>;

 public:
  /// Operations that are over, with the memory they have grown, for those to come. One for a lane; guarded by its lock.
  class Pool {
   public:
    Pool();
    ~Pool();

   private:
    friend class Responder;
    static constexpr size_t kMost = 64;
    OwnedOperation take();
    std::vector<std::unique_ptr<Operation>> spare_;
  };

  explicit Responder(ConnectedQueuePair& qp) : qp_(qp) {}

  void request(const wire::Packet& packet);
  /// The requester stops: drop what has not begun, answer when nothing runs any more.
  void quiesce(const wire::Packet& packet);
  /// Takes up what waited for room or for a transfer.
  void advance();
  /// Every request before this one is done.
  uint32_t acknowledgement() const { return done_; }
  void send_acknowledgement();
  /// Into ERR: nothing new begins. Receives flush once quiet().
  void stop();
  bool quiet() const { return running_ == 0; }
  /// An operation under way uses this memory region, memory window or SRQ.
  bool uses(const void* object) const;
  /// The channel has ended, but transfers on it have not: forgets them. Their memory stays registered.
  void abandon();
  /// No request waits for its turn either.
  bool idle() const { return pipeline_.empty(); }
  /// The next request is this one. Only while idle.
  void expect(uint32_t msn) { arrived_ = done_ = msn; }
  void reset();
  /// The first request will be this one (DC).
  void begin_at(uint32_t msn) { arrived_ = done_ = msn; }

  /// A transfer under way has ended. `transfer.owner` is its Operation.
  static void transfer_finished(fabric::Transfer& transfer, int error);

 private:
  /// kDropped: UC lets it go without a word. kLater: no room for the answer, or not its turn to be refused.
  enum class Outcome { kDone, kRunning, kLater, kRefused, kDropped };

  struct Segment {
    unsigned char* address;
    uint64_t length;
    MemoryRegion* region;
    MemoryWindow* window = nullptr;         ///< through which it is reached
    fabric::Registration* local = nullptr;  ///< where the provider wants its own memory registered
  };

  /// Memory of our own for a payload that the fabric brings.
  struct Gathered {
    explicit Gathered(size_t size);
    ~Gathered();
    std::unique_ptr<unsigned char[]> bytes;
    MemoryRegion* region;
  };

  struct Operation {
    Pool* pool = nullptr;
    Responder* responder = nullptr;    ///< nullptr: abandoned
    std::vector<unsigned char> bytes;  ///< the packet's own copy
    wire::Packet packet{};
    enum { kWaiting, kMoving, kRelayed } state = kWaiting;
    bool pull = false;
    bool has_receive = false;
    int error = 0;
    SharedReceiveQueue* srq = nullptr;
    std::unique_ptr<Gathered> gathered;  ///< the payload, when it must be here before it is known where it goes
    ReceiveWqe receive;
    std::vector<Segment> segments;
    size_t segment = 0;  ///< cursor into segments ...
    uint64_t segment_offset = 0;
    uint32_t piece = 0;  ///< ... and into the peer's pieces
    uint64_t piece_offset = 0;
    uint64_t left = 0;  ///< bytes not handed to the fabric yet
    uint32_t flying = 0;
    std::array<fabric::Transfer, 8> transfers;
    uint32_t free_transfers = 0xff;  ///< bit mask
  };

  /// Why a request is refused: what the peer is told, and what happens here.
  struct Refusal {
    wire::NakCode code;
    int event = -1;                             ///< ibv_event_type, -1: none
    ibv_wc_status receive = IBV_WC_SUCCESS;     ///< how the receive WR at hand completes, if it does
    ibv_wc_status sends = IBV_WC_WR_FLUSH_ERR;  ///< how the oldest send WR completes
  };

  ReceiveQueue& receives() const;
  const void* local_pd() const;
  const void* remote_pd() const;
  CompletionQueue& receive_cq() const;

  static constexpr uint32_t kMoves = 16;  ///< operations with transfers under way
  static constexpr uint32_t kManyMoves = kMoves / 2;

  bool expected(const wire::Packet& packet);
  Operation& hold(const wire::Packet& packet);
  Outcome execute(const wire::Packet& packet, Operation* operation);
  Outcome find_srq(const wire::Packet& packet);
  Outcome relay(const wire::Packet& packet, Operation* operation);
  bool finish_relay(Operation& operation);
  bool answer_relayed(Operation& operation);
  void refuse_relayed(Operation& operation, ibv_wc_status status);
  Outcome execute_send(const wire::Packet& packet, Operation* operation);
  Outcome execute_tagged(const wire::Packet& packet, Operation* operation);
  Outcome deliver_unexpected(const wire::Packet& packet, Operation* operation, ibv_wc_opcode opcode);
  Outcome deliver_eager(const wire::Packet& packet, const TagHeader& header);
  Outcome start_rendezvous(const wire::Packet& packet, const TagHeader& header);
  Outcome gather(const wire::Packet& packet, Operation* operation);
  bool in_pieces() const;
  Outcome pull(const wire::Packet& packet, Operation* operation);
  Outcome push(const wire::Packet& packet, Operation* operation);
  unsigned char* word(uint64_t size) const;
  Outcome execute_write(const wire::Packet& packet, Operation* operation);
  Outcome execute_read(const wire::Packet& packet, Operation* operation);
  Outcome execute_atomic(const wire::Packet& packet);
  Outcome execute_masked_atomic(const wire::Packet& packet);
  Outcome execute_atomic_write(const wire::Packet& packet);
  Outcome execute_flush(const wire::Packet& packet, Operation* operation);
  Outcome start_write_back(const wire::Packet& packet, Operation* operation);
  Operation& start_operation(const wire::Packet& packet, Operation* operation);
  Outcome start_move(const wire::Packet& packet, Operation* operation, bool pull);
  void begin_more();
  bool has_failed_at_once() const;
  void launch(Operation& operation);
  int launch_one(Operation& operation);

  bool may_begin_early(size_t position) const;
  bool finish(Operation& operation);
  bool finish_move(Operation& operation);
  bool end_move(Operation& operation);
  bool pop_done();
  void drop_waiting();
  void settle();
  void release_regions(Operation& operation);
  void end_gathering(Operation& operation);
  static void free_abandoned(Operation& operation);

  Outcome take_receive(const wire::Packet& packet, Operation* operation);
  bool resolve_receive(uint64_t length);
  Outcome resolve_target(const wire::Packet& packet, uint64_t address, uint32_t rkey, uint64_t length, unsigned access);
  bool copy_in(std::span<const unsigned char> payload);
  bool copy_out(unsigned char* at) const;
  /// `has_receive`: a receive WR was taken for it, and ends with it.
  Outcome refuse_fault(const wire::Packet& packet, bool has_receive);
  Outcome check_invalidation(const wire::Packet& packet);
  void deliver(const wire::Packet& packet, const ReceiveWqe& receive);
  void deliver(const wire::Packet& packet, Cqe cqe);
  void receive_error(const wire::Packet& packet, ibv_wc_status status);
  void retire(const wire::Packet& packet);
  void owe_acknowledgement();

  /// Room for an answer with a body of `size` bytes; nullptr: none now.
  unsigned char* answer(uint32_t msn, wire::Kind kind, size_t size);
  Outcome refuse(const wire::Packet& packet, const Refusal& refusal);
  Outcome refuse_not_ready(const wire::Packet& packet);
  void owe_nak(const wire::Packet& packet, wire::NakCode code, uint32_t detail);

  ConnectedQueuePair& qp_;
  uint32_t arrived_ = 0;  ///< msn of the next request to come
  uint32_t done_ = 0;
  uint32_t untold_ = 0;             ///< operations done, whose acknowledgement waits for more of them
  uint32_t running_ = 0;            ///< operations with transfers under way
  Operation* executing_ = nullptr;  ///< the oldest operation, while it is executed
  bool early_ = false;              ///< what is being executed is not the oldest: it must not be refused yet
  bool advancing_ = false;
  bool flush_owed_ = false;
  bool quiesce_owed_ = false;
  bool nak_owed_ = false;
  uint32_t quiesce_msn_ = 0;
  wire::PacketHeader nak_{};
  SharedReceiveQueue* srq_ = nullptr;  ///< of the request being executed: the queue pair's, or the one that it names
  ReceiveWqe receive_;                 ///< likewise
  std::vector<Segment> segments_;      ///< likewise: where its data goes (or comes from)
  std::deque<OwnedOperation> pipeline_;
};

/// Tells the sender of `packet` that no queue pair here takes it.
void refuse_not_connected(Channel& channel, const wire::Packet& packet);
/// Or that it may not do what it wants.
void refuse_access(Channel& channel, const wire::Packet& packet);

}  // namespace vb
