// SPDX-License-Identifier: BSD-2-Clause
// Requests whose payload the peer's responder moves: it reaches into this side's memory until the request is answered.
#include "base/safe_copy.h"
#include "transport/channel.h"
#include "transport/connected_queue_pair.h"
#include "transport/lane.h"
#include "transport/requester.h"

namespace vb {

using wire::Kind;

namespace {

/// Calls visit(region, address, size) for what the peer reaches into, until it is false: the SGEs' memory, or the one
/// copy of it all.
template <class Visit>
bool for_each_exposed(SendWqe& wqe, Visit visit) {
  if (wqe.staged) return visit(*wqe.staging, reinterpret_cast<unsigned char*>(wqe.staging->address), wqe.length);
  for (uint32_t i = 0; i < wqe.sge_count; ++i) {
    const ibv_sge& sge = wqe.sges()[i];
    MemoryRegion& region = *wqe.exposed()[i];
    if (sge.length && !visit(region, region.host(sge.addr), sge.length)) return false;
  }
  return true;
}

/// Whether the peer cannot reach into the memory as it is: it is in pieces, or a device's.
bool needs_copy(SendWqe& wqe, const fabric::Endpoint& endpoint) {
  for (uint32_t i = 0; i < wqe.sge_count; ++i) {
    const MemoryRegion* region = wqe.sges()[i].length ? wqe.exposed()[i] : nullptr;
    if (region && (region->layout || (region->out_of_reach && endpoint.traits().reaches_by_kernel))) return true;
  }
  return false;
}

}  // namespace

/// Memory of its own for a payload that the peer cannot reach: it reaches into that.
bool Requester::stage(SendWqe& wqe) {
  std::shared_ptr<unsigned char> bytes(new (std::nothrow) unsigned char[wqe.length],
                                       std::default_delete<unsigned char[]>());
  if (!bytes) {
    wqe.status = IBV_WC_LOC_QP_OP_ERR;
    return false;
  }
  if (!wqe.reads_back() && !qp_.gather(wqe, bytes.get())) return false;
  wqe.staging = new MemoryRegion;
  wqe.staging->address = wqe.staging->iova = reinterpret_cast<uint64_t>(bytes.get());
  wqe.staging->length = wqe.length;
  wqe.staging->backing = std::move(bytes);
  return wqe.staged = true;
}

/// What a READ has brought goes where it belongs.
bool Requester::unstage(SendWqe& wqe) {
  return scatter(wqe, reinterpret_cast<unsigned char*>(wqe.staging->address), wqe.length);
}

Requester::Sent Requester::put_indirect(SendWqe& wqe, Kind kind, unsigned exposure) {
  if (needs_copy(wqe, qp_.channel()->endpoint()) && !stage(wqe)) return Sent::kBad;
  wire::Piece pieces[wire::kMaxPieces];
  uint32_t count = 0;
  const bool all = for_each_exposed(wqe, [&](MemoryRegion& region, unsigned char* at, uint32_t size) {
    fabric::Registration* registration = expose(region, qp_.channel()->endpoint(), exposure, at, size);
    if (registration) {
      pieces[count++] = {reinterpret_cast<uint64_t>(at) - registration->base, registration->key, size};
    } else if (!region.may_fault) {
      wqe.status = IBV_WC_LOC_QP_OP_ERR;
    }
    return registration != nullptr;
  });
  size_t rdma_size = kind == Kind::kSend ? 0 : sizeof(wire::RdmaHeader);
  size_t pieces_size = count * sizeof(wire::Piece);
  size_t size = rdma_size + sizeof(wire::IndirectHeader) + pieces_size;
  unsigned char* at = all ? begin(wqe, kind, wire::kIndirect, size) : nullptr;
  if (!at) {
    conceal_first(wqe, count);
    return all ? Sent::kLater : Sent::kBad;
  }
  wire::RdmaHeader rdma{wqe.remote_address, wqe.rkey, wqe.length};
  memcpy(at, &rdma, rdma_size);
  wire::IndirectHeader indirect{wqe.length, count};
  memcpy(at + rdma_size, &indirect, sizeof indirect);
  memcpy(at + rdma_size + sizeof indirect, pieces, pieces_size);
  for_each_exposed(wqe, [](MemoryRegion& region, unsigned char*, uint32_t) {
    retain(region);
    return true;
  });
  wqe.indirect = true;
  ++exposed_;
  return Sent::kYes;
}

/// Ends what put_indirect() exposed of the first `count` parts of the payload.
void Requester::conceal_first(SendWqe& wqe, uint32_t count) {
  Channel* channel = qp_.channel();
  if (wqe.may_fault && channel) {
    unsigned exposure = wqe.opcode == IBV_WR_RDMA_READ ? fabric::kRemoteWrite : fabric::kRemoteRead;
    for_each_exposed(wqe, [&](MemoryRegion& region, unsigned char* at, uint32_t size) {
      if (count-- == 0) return false;
      vb::conceal(region, channel->endpoint(), exposure, at, size);
      return true;
    });
  }
  if (!wqe.indirect && wqe.staged) unstage_memory(wqe);
}

void Requester::conceal(SendWqe& wqe) {
  if (!wqe.indirect) return;
  conceal_first(wqe, UINT32_MAX);
  wqe.indirect = false;
  --exposed_;
  for_each_exposed(wqe, [](MemoryRegion& region, unsigned char*, uint32_t) {
    release(region);
    return true;
  });
  if (wqe.staged) unstage_memory(wqe);
}

void Requester::unstage_memory(SendWqe& wqe) {
  wqe.staged = false;
  release(*wqe.staging);
}

}  // namespace vb
