// SPDX-License-Identifier: BSD-2-Clause
// What the responder does to single words, and flushes: atomics, atomic write, memory placement extensions.
#include "base/safe_copy.h"
#include "transport/channel.h"
#include "transport/connected_queue_pair.h"
#include "transport/lane.h"
#include "transport/masked_atomic.h"

namespace vb {

using wire::Kind;
using wire::NakCode;
using wire::Packet;

// --- atomics -----------------------------------------------------------------------------------------------------

/// Where the word at hand is; nullptr: it is not there.
unsigned char* Responder::word(uint64_t size) const {
  const Segment& segment = segments_[0];
  if (!segment.region->may_fault) return segment.address;
  return reach(qp_.config.lane->memory, *segment.region, segment.address, size);
}

Responder::Outcome Responder::execute_atomic(const Packet& packet) {
  const wire::AtomicHeader& atomic = packet.atomic;
  Refusal invalid{NakCode::kInvalidRequest, IBV_EVENT_QP_REQ_ERR};
  if (qp_.path.max_dest_rd_atomic == 0 || atomic.address % 8 != 0) return refuse(packet, invalid);
  Outcome found = resolve_target(packet, atomic.address, atomic.rkey, sizeof(uint64_t), kRemoteAtomic);
  if (found != Outcome::kDone) return found;
  auto* target = reinterpret_cast<uint64_t*>(word(sizeof(uint64_t)));
  if (!target) return refuse_fault(packet, false);
  if (reinterpret_cast<uintptr_t>(target) % 8 != 0) return refuse(packet, invalid);
  // The room comes first: an atomic must not be executed twice.
  unsigned char* body = answer(packet.header.msn, Kind::kAtomicResponse, sizeof(uint64_t));
  if (!body) return Outcome::kLater;
  uint64_t original = atomic.compare_add;
  if (packet.header.kind == Kind::kFetchAdd) {
    original = __atomic_fetch_add(target, atomic.compare_add, __ATOMIC_SEQ_CST);
  } else {
    __atomic_compare_exchange_n(target, &original, atomic.swap, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  }
  memcpy(body, &original, sizeof original);
  return Outcome::kDone;
}

namespace {

/// Returns what was there.
template <class Word>
uint64_t change(unsigned char* at, const Packet& packet) {
  auto* target = reinterpret_cast<Word*>(at);
  Word old = __atomic_load_n(target, __ATOMIC_RELAXED), fresh;
  do {
    fresh = packet.header.kind == Kind::kMaskedFetchAdd ? masked_fetch_add(old, packet.atomic, packet.mask)
                                                        : masked_compare_swap(old, packet.atomic, packet.mask);
  } while (!__atomic_compare_exchange_n(target, &old, fresh, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  return old;
}

}  // namespace

Responder::Outcome Responder::execute_masked_atomic(const Packet& packet) {
  const wire::AtomicHeader& atomic = packet.atomic;
  const uint32_t width = atomic.reserved;
  Refusal invalid{NakCode::kInvalidRequest, IBV_EVENT_QP_REQ_ERR};
  if (qp_.path.max_dest_rd_atomic == 0 || atomic.address % width != 0) return refuse(packet, invalid);
  Outcome found = resolve_target(packet, atomic.address, atomic.rkey, width, kRemoteAtomic);
  if (found != Outcome::kDone) return found;
  unsigned char* target = word(width);
  if (!target) return refuse_fault(packet, false);
  if (reinterpret_cast<uintptr_t>(target) % width != 0) return refuse(packet, invalid);
  unsigned char* body = answer(packet.header.msn, Kind::kAtomicResponse, sizeof(uint64_t));
  if (!body) return Outcome::kLater;
  const bool wide = width == sizeof(uint64_t);
  uint64_t original = wide ? change<uint64_t>(target, packet) : change<uint32_t>(target, packet);
  memcpy(body, &original, sizeof original);
  return Outcome::kDone;
}

/// Eight bytes that are seen as a whole or not at all.
Responder::Outcome Responder::execute_atomic_write(const Packet& packet) {
  if (packet.rdma.address % 8 != 0) return refuse(packet, {NakCode::kInvalidRequest, IBV_EVENT_QP_REQ_ERR});
  Outcome found = resolve_target(packet, packet.rdma.address, packet.rdma.rkey, packet.length, kRemoteWrite);
  if (found != Outcome::kDone) return found;
  auto* target = reinterpret_cast<uint64_t*>(word(sizeof(uint64_t)));
  if (!target) return refuse_fault(packet, false);
  if (reinterpret_cast<uintptr_t>(target) % 8 != 0) {
    return refuse(packet, {NakCode::kInvalidRequest, IBV_EVENT_QP_REQ_ERR});
  }
  uint64_t value;
  memcpy(&value, packet.payload.data(), sizeof value);
  __atomic_store_n(target, value, __ATOMIC_RELEASE);
  return Outcome::kDone;
}

// --- flush -------------------------------------------------------------------------------------------------------

/// What was written before is in memory already, as requests are executed in order. That it is in the file takes more.
Responder::Outcome Responder::execute_flush(const Packet& packet, Operation* operation) {
  const wire::AtomicHeader& flush = packet.atomic;
  unsigned access = 0;
  if (flush.reserved & wire::kFlushVisible) access |= kFlushGlobal;
  if (flush.reserved & wire::kFlushToStorage) access |= kFlushPersistent;
  bool whole = (flush.reserved & wire::kFlushWholeRegion) != 0;
  if (access == 0 || qp_.path.max_dest_rd_atomic == 0) {
    return refuse(packet, {NakCode::kInvalidRequest, IBV_EVENT_QP_REQ_ERR});
  }
  uint64_t size = whole ? 1 : flush.compare_add;
  Outcome found = resolve_target(packet, flush.address, flush.rkey, size, access);
  if (found != Outcome::kDone) return found;
  if (whole) {
    MemoryRegion* region = segments_[0].region;
    segments_[0].address = reinterpret_cast<unsigned char*>(region->address);
    segments_[0].length = region->length;
  }
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  if ((access & kFlushPersistent) && !segments_.empty()) return start_write_back(packet, operation);
  return answer(packet.header.msn, Kind::kReadResponse, 0) ? Outcome::kDone : Outcome::kLater;
}

/// Another thread writes back, as if it were a transfer of the fabric.
Responder::Outcome Responder::start_write_back(const Packet& packet, Operation* operation) {
  Operation& started = start_operation(packet, operation);
  started.left = 0;
  started.transfers[0].owner = &started;
  const Segment& segment = started.segments[0];
  Lane& lane = *qp_.config.lane;
  if (lane.persister().write_back(segment.address, segment.length, started.transfers[0], lane.nudge_helper)) {
    started.free_transfers &= ~1u;
    started.flying = 1;
    lane.transfer_begun();
  } else {
    started.error = EAGAIN;
  }
  return Outcome::kRunning;
}

}  // namespace vb
