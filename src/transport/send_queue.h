// SPDX-License-Identifier: BSD-2-Clause
// The send queue's ring. Producer: the posting thread, under lock(). Consumer: the requester, under the lane's lock.
#pragma once

#include <infiniband/verbs.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "base/ring_memory.h"
#include "base/spinlock.h"
#include "transport/gate.h"
#include "transport/indirect.h"

namespace vb {

struct AddressHandle;
class CompletionQueue;
struct MemoryRegion;

/// IBV_WR_FLUSH, IBV_WC_FLUSH: newer than the header that this is compiled with.
inline constexpr uint8_t kFlushOpcode = 14;
inline constexpr uint8_t kFlushCompletion = 8;

/// DC initiators, which send each work request to a target of its own: likewise.
inline constexpr auto kDcInitiator = static_cast<ibv_qp_type>(32);

/// Masked atomics: as MLNX_OFED's experimental verbs number them.
inline constexpr uint8_t kMaskedCompareSwapOpcode = 99;
inline constexpr uint8_t kMaskedFetchAddOpcode = 100;
inline constexpr uint16_t kMaskedCompareSwapCompletion = 9;
inline constexpr uint16_t kMaskedFetchAddCompletion = 10;

/// Likewise: cross-channel work (gate.h).
inline constexpr uint8_t kSendEnableOpcode = 96;
inline constexpr uint8_t kReceiveEnableOpcode = 97;
inline constexpr uint8_t kWaitOpcode = 98;

/// Likewise: a request that does nothing, and those that say what a key stands for (indirect.h).
inline constexpr uint8_t kNopOpcode = 101;
inline constexpr uint8_t kFillOpcode = 102;
inline constexpr uint8_t kUnfillOpcode = 103;
inline constexpr uint16_t kFillCompletion = 256;

/// One WR in the ring. SGEs, or inline data, stand right behind it; behind the SGEs, the regions that the peer reaches
/// into.
struct SendWqe {
  /// Who posted it: the program, the rendezvous of tag matching, or an XRC target's relay.
  enum class Origin : uint8_t { kProgram, kRendezvousRead, kRendezvousFin, kRelay };

  uint64_t wr_id;
  union {
    uint64_t remote_address;
    AddressHandle* address;    ///< of a datagram: holds a reference
    CompletionQueue* awaited;  ///< of a request to wait, which counts in its `waits` until it is done
  };
  union {
    uint64_t compare_add;
    MemoryRegion* staging;  ///< while `staged`: the copy of its memory that the peer reaches into
  };
  union {
    uint64_t swap;
    uint32_t remote_qkey;  ///< of a datagram
  };
  union {
    uint32_t rkey;
    uint32_t remote_qpn;  ///< of a datagram
  };
  uint32_t imm;     ///< immediate data (network byte order) or the rkey to invalidate
  uint32_t length;  ///< of all SGEs, or of the inline data
  uint32_t msn;     ///< given by the requester when it sends
  uint16_t sge_count;
  uint8_t opcode;  ///< ibv_wr_opcode
  uint8_t flags;   ///< ibv_send_flags
  // The requester's notes.
  bool done;       ///< needs no acknowledgement any more
  bool indirect;   ///< the peer reaches into this WR's memory
  uint8_t status;  ///< ibv_wc_status
  Origin origin;
  uint32_t srqn;   ///< XRC: the remote SRQ
  bool may_fault;  ///< some of the SGEs' memory may be missing
  bool staged;     ///< the peer cannot reach its memory (it is in pieces, for one), but a copy

  ibv_sge* sges() { return reinterpret_cast<ibv_sge*>(this + 1); }
  MemoryRegion** exposed() { return reinterpret_cast<MemoryRegion**>(sges() + sge_count); }
  unsigned char* inline_data() { return reinterpret_cast<unsigned char*>(this + 1); }
  /// Executed here, without a message. Of windows: its fields hold the window's new rkey, in imm the region's key (or
  /// the key to invalidate), in remote_address and compare_add the range, in swap the access. Of cross-channel work: in
  /// imm the turn, in rkey whose queue. Of keys for pieces: SendQueue::fill().
  bool is_local() const {
    return opcode == IBV_WR_BIND_MW || opcode == IBV_WR_LOCAL_INV ||
           (opcode >= kSendEnableOpcode && !is_masked_atomic());
  }
  bool is_crossing() const { return opcode >= kSendEnableOpcode && opcode <= kWaitOpcode; }
  bool is_inline() const { return (flags & IBV_SEND_INLINE) != 0; }
  bool reads_back() const {
    return opcode == IBV_WR_RDMA_READ || opcode == IBV_WR_ATOMIC_CMP_AND_SWP || opcode == IBV_WR_ATOMIC_FETCH_AND_ADD ||
           opcode == kFlushOpcode || is_masked_atomic();
  }
  /// Its operands are wqe.imm bytes wide: 4 or 8. Its masks: SendExtension.
  bool is_masked_atomic() const { return uint8_t(opcode - kMaskedCompareSwapOpcode) < 2; }
};

/// What some kinds of work requests need besides. It stands at the end of the ring slots of queue pairs that take them
/// (SendQueue::extension).
struct SendExtension {
  // Masked atomics.
  uint64_t compare_mask;  ///< of an addition: the highest bit of each field
  uint64_t swap_mask;
  // Work requests of a DC initiator: where each goes.
  AddressHandle* address;  ///< holds a reference
  uint64_t key;
  uint32_t target;  ///< the number of the DC target
};

class SendQueue {
 public:
  /// `source`: of the ring's memory; nullptr: the heap. `extra`: slots for WRs of our own, beside the program's.
  /// `extended`: slots have an extension.
  Result<void> open(uint32_t depth, uint32_t max_sge, uint32_t max_inline, RingSource* source = nullptr,
                    uint32_t extra = 0, bool extended = false);

  uint32_t depth() const { return depth_; }
  uint32_t max_sge() const { return max_sge_; }
  uint32_t max_inline() const { return max_inline_; }

  // The producer's side, between lock() and unlock().
  SpinLock& lock() { return lock_; }
  /// The next free slot, or nullptr when the queue is full. Not seen by the requester before publish().
  SendWqe* reserve() {
    uint32_t used = reserved_ - retired_.load(std::memory_order_acquire);
    // Signed: a slot of ours may be retired and not yet discounted.
    if (static_cast<int32_t>(used - extra_used_.load(std::memory_order_relaxed)) >= static_cast<int32_t>(depth_)) {
      return nullptr;
    }
    return &take(SendWqe::Origin::kProgram);
  }
  /// The same for a WR of our own.
  SendWqe* reserve_extra(SendWqe::Origin origin) {
    if (extra_used_.load(std::memory_order_relaxed) >= extra_) return nullptr;
    extra_used_.fetch_add(1, std::memory_order_relaxed);
    return &take(origin);
  }
  uint32_t extra_left() const { return extra_ - extra_used_.load(std::memory_order_relaxed); }
  void unreserve() { --reserved_; }
  void publish() { posted_.store(reserved_, std::memory_order_release); }
  /// What is reserved and not published yet.
  template <class Visit>
  void for_each_reserved(Visit visit) {
    for (uint32_t i = posted_.load(std::memory_order_relaxed); i != reserved_; ++i) visit(at(i));
  }
  void rollback() { reserved_ = posted_.load(std::memory_order_relaxed); }

  // The requester's side.
  uint32_t posted() const { return posted_.load(std::memory_order_acquire); }
  /// Behind the last request that may go: of a managed queue not all do.
  uint32_t released() const {
    const uint32_t all = posted();
    if (!gate.managed) [[likely]]
      return all;
    const uint32_t until = gate.until.load(std::memory_order_acquire);
    return static_cast<int32_t>(until - all) < 0 ? until : all;
  }
  uint32_t retired() const { return retired_.load(std::memory_order_relaxed); }
  void retire() {
    bool extra = at(retired()).origin != SendWqe::Origin::kProgram;
    retired_.store(retired() + 1, std::memory_order_release);
    if (extra) [[unlikely]]
      extra_used_.fetch_sub(1, std::memory_order_relaxed);
  }
  SendWqe& at(uint32_t index) { return *reinterpret_cast<SendWqe*>(ring_.get() + size_t{index & mask_} * stride_); }
  /// Of a queue that was opened with them.
  SendExtension& extension(SendWqe& wqe) {
    return *reinterpret_cast<SendExtension*>(reinterpret_cast<unsigned char*>(&wqe) + stride_ - sizeof(SendExtension));
  }
  /// What a request to fill a key says, which has no room in the slot. The producer gives it, the requester takes it.
  std::unique_ptr<IndirectFill>& fill(const SendWqe& wqe) {
    if (fills_.empty()) fills_.resize(size_t{mask_} + 1);
    return fills_[static_cast<size_t>(reinterpret_cast<const unsigned char*>(&wqe) - ring_.get()) / stride_];
  }
  /// Forgets everything (RESET). Producer and requester both stopped.
  void clear() {
    reserved_ = retired();
    extra_used_.store(0, std::memory_order_relaxed);
    publish();
    gate.restart(reserved_);
  }

  Gate gate;

 private:
  SendWqe& take(SendWqe::Origin origin) {
    SendWqe& wqe = at(reserved_++);
    wqe.done = wqe.indirect = wqe.may_fault = wqe.staged = false;
    wqe.origin = origin;
    return wqe;
  }

  SpinLock lock_;
  uint32_t depth_ = 0;
  uint32_t mask_ = 0;
  uint32_t stride_ = 0;
  uint32_t max_sge_ = 0;
  uint32_t max_inline_ = 0;
  uint32_t reserved_ = 0;
  uint32_t extra_ = 0;
  std::atomic<uint32_t> extra_used_{0};  ///< slots that WRs of our own hold
  std::atomic<uint32_t> posted_{0};
  std::atomic<uint32_t> retired_{0};
  Ring<unsigned char> ring_;
  std::vector<std::unique_ptr<IndirectFill>> fills_;  ///< by slot, once there was one
};

}  // namespace vb
