// SPDX-License-Identifier: BSD-2-Clause
#include "transport/queue_pair.h"

#include <algorithm>

#include "transport/lane.h"
#include "transport/opcodes.h"

namespace vb {

void QueuePair::fail(ibv_wc_status first, uint32_t vendor_error) {
  if (state() == IBV_QPS_ERR || state() == IBV_QPS_RESET) return;
  set_state(IBV_QPS_ERR);
  stop(first, vendor_error);
}

void QueuePair::overran() {
  if (state() != IBV_QPS_ERR) config.lane->overran(*this);
}

void QueuePair::completion_lost() {
  if (state() == IBV_QPS_ERR || state() == IBV_QPS_RESET) return;
  config.listener->async_event(IBV_EVENT_QP_FATAL);
  fail(IBV_WC_WR_FLUSH_ERR);
}

void QueuePair::flush_receives() {
  if (config.shared_receives) {
    // The SRQ's WRs are not this queue pair's: it only says that it takes no more of them.
    if (!last_wqe_told_) config.listener->async_event(IBV_EVENT_QP_LAST_WQE_REACHED);
    last_wqe_told_ = true;
    return;
  }
  ReceiveWqe wqe;
  receive_queue.gate.open(receive_queue.end());
  for (bool limit = false; receive_queue.pop(wqe, limit);) {
    if (mute) continue;
    Cqe cqe;
    cqe.wr_id = wqe.wr_id;
    cqe.status = IBV_WC_WR_FLUSH_ERR;
    cqe.opcode = IBV_WC_RECV;
    cqe.qp_num = qpn;
    cqe.src_qp = path.dest_qpn;
    complete(*config.recv_cq, cqe, true);
  }
}

void QueuePair::complete_send(const SendWqe& wqe, ibv_wc_status status, uint32_t vendor_error) {
  bool signaled = (wqe.flags & IBV_SEND_SIGNALED) != 0 || config.signal_all;
  Cqe cqe;
  cqe.wr_id = wqe.wr_id;
  cqe.status = status;
  cqe.opcode = opcodes::completion(wqe.opcode);
  cqe.vendor_err = vendor_error;
  cqe.byte_len = wqe.length;
  cqe.qp_num = qpn;
  cqe.src_qp = path.dest_qpn;
  send_queue.retire();
  if (mute) return;
  if (signaled || status != IBV_WC_SUCCESS) {
    complete(*config.send_cq, cqe, false);
  } else {
    count(cqe);
  }
}

bool QueuePair::resolve_sges(SendWqe& wqe, unsigned access) {
  MemoryTable& memory = config.lane->memory;
  MemoryRegion** exposed = wqe.exposed();
  bool may_fault = false;
  for (uint32_t i = 0; i < wqe.sge_count; ++i) {
    const ibv_sge& sge = wqe.sges()[i];
    if (sge.length == 0) continue;
    MemoryRegion* region = memory.local(sge.lkey, config.pd, sge.addr, sge.length, access);
    if (!region) return false;
    exposed[i] = region;
    may_fault |= region->may_fault;
  }
  wqe.may_fault = may_fault;
  return true;
}

bool QueuePair::gather(SendWqe& wqe, unsigned char* at) const {
  if (wqe.is_inline()) {
    memcpy(at, wqe.inline_data(), wqe.length);
    return true;
  }
  for (uint32_t i = 0; i < wqe.sge_count; ++i) {
    const ibv_sge& sge = wqe.sges()[i];
    if (sge.length == 0) continue;
    const unsigned char* from = wqe.exposed()[i]->host(sge.addr);
    if (!wqe.may_fault) {
      memcpy(at, from, sge.length);
    } else if (!fetch(config.lane->memory, *wqe.exposed()[i], at, from, sge.length)) {
      return false;
    }
    at += sge.length;
  }
  return true;
}

namespace {

/// Copies as much of `part` as there is room for, and takes both forward. False: the memory is not there.
bool copy_some(const MemoryTable& memory, const MemoryRegion& region, unsigned char*& at, uint64_t& room,
               std::span<const unsigned char>& part) {
  size_t size = std::min<uint64_t>(room, part.size());
  if (!region.may_fault) {
    memcpy(at, part.data(), size);
  } else if (!store(memory, region, at, part.data(), size)) {
    return false;
  }
  at += size;
  room -= size;
  part = part.subspan(size);
  return true;
}

}  // namespace

ibv_wc_status QueuePair::scatter(const ReceiveWqe& receive,
                                 std::initializer_list<std::span<const unsigned char>> parts) {
  uint64_t size = 0, room = 0;
  for (auto& part : parts) size += part.size();
  for (uint32_t i = 0; i < receive.sge_count; ++i) room += receive.sge[i].length;
  if (room < size) return IBV_WC_LOC_LEN_ERR;
  MemoryRegion* regions[kMaxReceiveSge];
  for (uint32_t i = 0; i < receive.sge_count && size > 0; ++i) {
    const ibv_sge& sge = receive.sge[i];
    if (sge.length == 0) continue;
    size -= std::min<uint64_t>(size, sge.length);
    regions[i] = config.lane->memory.local(sge.lkey, config.receive_pd, sge.addr, sge.length, kLocalWrite);
    if (!regions[i]) return IBV_WC_LOC_PROT_ERR;
  }
  const auto* part = parts.begin();
  std::span<const unsigned char> rest = *part;
  for (uint32_t i = 0; i < receive.sge_count && part != parts.end(); ++i) {
    uint64_t left = receive.sge[i].length;
    unsigned char* at = left ? regions[i]->host(receive.sge[i].addr) : nullptr;
    while (left > 0 && part != parts.end()) {
      if (!rest.empty() && !copy_some(config.lane->memory, *regions[i], at, left, rest)) return IBV_WC_LOC_PROT_ERR;
      if (rest.empty() && ++part != parts.end()) rest = *part;
    }
  }
  return IBV_WC_SUCCESS;
}

void QueuePair::reset() {
  receive_queue.clear();
  last_wqe_told_ = false;
}

void QueuePair::detach() {
  ListNode<QueuePair, OnOutstanding>::unlink();
  ListNode<QueuePair, OnStalled>::unlink();
  ListNode<QueuePair, OnOverrun>::unlink();
  ListNode<QueuePair, OnGated>::unlink();
}

}  // namespace vb
