// SPDX-License-Identifier: BSD-2-Clause
// The data path of queue pairs: posting, in the legacy form and by the ibv_wr_* builders.
#include <algorithm>
#include <cstring>
#include <mutex>

#include "base/log.h"
#include "transport/engine.h"
#include "transport/opcodes.h"
#include "transport/raw_queue_pair.h"
#include "verbs/ah.h"
#include "verbs/mw.h"
#include "verbs/post.h"
#include "verbs/qp.h"

namespace vb {

namespace {

bool has_remote(uint8_t opcode) {
  return opcodes::is_write(opcode) || opcode == IBV_WR_RDMA_READ || opcode == IBV_WR_ATOMIC_WRITE;
}

bool is_datagram(const Qp& qp) { return qp.init.qp_type == IBV_QPT_UD; }

int check_raw_opcode(const Qp& qp, uint8_t opcode) {
  return opcode == IBV_WR_SEND || (opcode == IBV_WR_TSO && qp.max_tso_header != 0) ? 0 : EINVAL;
}

/// 0, or why a queue pair of this type does not take the opcode.
int check_opcode(const Qp& qp, uint8_t opcode) {
  if (qp.init.qp_type == IBV_QPT_RAW_PACKET) return check_raw_opcode(qp, opcode);
  if (is_datagram(qp)) return opcode == IBV_WR_SEND || opcode == IBV_WR_SEND_WITH_IMM ? 0 : EINVAL;
  if (qp.init.qp_type == IBV_QPT_XRC_RECV) return EINVAL;
  switch (opcode) {
    case IBV_WR_SEND:
    case IBV_WR_SEND_WITH_IMM:
    case IBV_WR_RDMA_WRITE:
    case IBV_WR_RDMA_WRITE_WITH_IMM: return 0;
    case IBV_WR_RDMA_READ:
    case IBV_WR_ATOMIC_CMP_AND_SWP:
    case IBV_WR_ATOMIC_FETCH_AND_ADD: return qp.init.qp_type != IBV_QPT_UC ? 0 : EINVAL;
    case IBV_WR_ATOMIC_WRITE:
    case IBV_WR_SEND_WITH_INV: return qp.init.qp_type == IBV_QPT_RC ? 0 : EINVAL;
    case IBV_WR_LOCAL_INV:
    case IBV_WR_BIND_MW: return qp.init.qp_type != kDcInitiator ? 0 : EINVAL;
    case kFlushOpcode: return qp.init.qp_type == IBV_QPT_RC && qp.send_ops != 0 ? 0 : EINVAL;
    case kMaskedCompareSwapOpcode:
    case kMaskedFetchAddOpcode: return qp.init.qp_type != IBV_QPT_UC && qp.extended ? 0 : EINVAL;
    default: return EINVAL;
  }
}

int put_sges(SendQueue& queue, SendWqe& wqe, const ibv_sge* list, size_t count) {
  if (count > queue.max_sge()) return EINVAL;
  uint64_t length = 0;
  for (size_t i = 0; i < count; ++i) length += list[i].length;
  std::copy_n(list, count, wqe.sges());
  wqe.sge_count = static_cast<uint16_t>(count);
  wqe.length = static_cast<uint32_t>(std::min<uint64_t>(length, UINT32_MAX));
  return 0;
}

/// `Buffer` has addr and length: ibv_sge or ibv_data_buf.
template <class Buffer>
int put_inline(SendQueue& queue, SendWqe& wqe, const Buffer* list, size_t count) {
  uint64_t length = 0;
  for (size_t i = 0; i < count; ++i) length += list[i].length;
  if (length > queue.max_inline()) return EINVAL;
  unsigned char* at = wqe.inline_data();
  for (size_t i = 0; i < count; ++i) {
    if (list[i].length)
      memcpy(at, reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(list[i].addr)), list[i].length);
    at += list[i].length;
  }
  wqe.sge_count = 0;
  wqe.length = static_cast<uint32_t>(length);
  wqe.flags |= IBV_SEND_INLINE;
  return 0;
}

/// Takes a reference to the address handle: nothing may fail afterwards.
void put_address(SendWqe& wqe, ibv_ah* ah, uint32_t remote_qpn, uint32_t remote_qkey) {
  wqe.address = Ah::from(ah).transport;
  wqe.address->retain();
  wqe.remote_qpn = remote_qpn;
  wqe.remote_qkey = remote_qkey;
}

int put_tso(Qp& qp, SendWqe& wqe, const void* header, uint16_t size, uint16_t mss) {
  if (!header || size > qp.max_tso_header) return EINVAL;
  TsoRequest::set(wqe, size, mss);
  memcpy(TsoRequest::header(wqe, qp.transport.send_queue.max_sge()), header, size);
  return 0;
}

bool names_queue_pair(uint32_t qpn) { return qpn <= 0xffffff; }

/// The eight bytes of an atomic write, inline: they stand in the work request itself.
int put_word(SendWqe& wqe, const ibv_sge* list, size_t count) {
  uint64_t length = 0;
  for (size_t i = 0; i < count; ++i) length += list[i].length;
  if (length != sizeof wqe.swap) return EINVAL;
  auto* at = reinterpret_cast<unsigned char*>(&wqe.swap);
  for (size_t i = 0; i < count; at += list[i++].length) {
    memcpy(at, reinterpret_cast<const void*>(list[i].addr), list[i].length);
  }
  wqe.sge_count = 0;
  wqe.length = sizeof wqe.swap;
  wqe.flags |= IBV_SEND_INLINE;
  return 0;
}

/// A local operation (SendWqe::is_local). The queue keeps keys: what they name may be gone when its turn comes.
int put_bind(SendWqe& wqe, const ibv_mw& mw, uint32_t rkey, const ibv_mw_bind_info& info) {
  if (mw.rkey >> 8 != rkey >> 8 || (info.length && !info.mr)) return EINVAL;
  if (info.mr && Pd::from(info.mr->pd).domain != Pd::from(mw.pd).domain) return EPERM;
  wqe.rkey = rkey;
  wqe.imm = info.mr ? info.mr->lkey : 0;
  wqe.remote_address = info.addr;
  wqe.compare_add = info.length;
  wqe.swap = info.mw_access_flags;
  wqe.sge_count = 0;
  wqe.length = 0;
  return 0;
}

/// Type 2: the program chooses the key, and has it at once.
int put_bind_type_2(SendWqe& wqe, ibv_mw& mw, uint32_t rkey, const ibv_mw_bind_info& info) {
  if (mw.type != IBV_MW_TYPE_2) return EINVAL;
  int error = put_bind(wqe, mw, rkey, info);
  if (error == 0) mw.rkey = rkey;
  return error;
}

}  // namespace

bool takes_sends(const Qp& qp) {
  ibv_qp_state state = qp.transport.state();
  return state == IBV_QPS_RTS || state == IBV_QPS_SQD || state == IBV_QPS_SQE || state == IBV_QPS_ERR;
}

int put_wr(Qp& qp, SendWqe& wqe, const ibv_send_wr& wr) {
  wqe.wr_id = wr.wr_id;
  wqe.opcode = static_cast<uint8_t>(wr.opcode);
  wqe.flags = static_cast<uint8_t>(wr.send_flags & ~IBV_SEND_INLINE);
  wqe.imm = wr.imm_data;
  if (wqe.opcode != static_cast<uint32_t>(wr.opcode)) return EINVAL;
  if (int error = check_opcode(qp, wqe.opcode)) return error;
  if (is_datagram(qp) && (!wr.wr.ud.ah || !names_queue_pair(wr.wr.ud.remote_qpn))) return EINVAL;
  if (qp.init.qp_type == IBV_QPT_XRC_SEND) wqe.srqn = wr.qp_type.xrc.remote_srqn;
  if (has_remote(wqe.opcode)) {
    wqe.remote_address = wr.wr.rdma.remote_addr;
    wqe.rkey = wr.wr.rdma.rkey;
  } else if (opcodes::is_atomic(wqe.opcode)) {
    wqe.remote_address = wr.wr.atomic.remote_addr;
    wqe.rkey = wr.wr.atomic.rkey;
    wqe.compare_add = wr.wr.atomic.compare_add;
    wqe.swap = wr.wr.atomic.swap;
  }
  if (wqe.opcode == IBV_WR_BIND_MW) {
    return put_bind_type_2(wqe, *wr.bind_mw.mw, wr.bind_mw.rkey, wr.bind_mw.bind_info);
  }
  if (wr.num_sge < 0) return EINVAL;
  auto count = static_cast<size_t>(wr.num_sge);
  if (wqe.opcode == IBV_WR_ATOMIC_WRITE && (wr.send_flags & IBV_SEND_INLINE)) {
    return put_word(wqe, wr.sg_list, count);
  }
  if (wqe.opcode == IBV_WR_TSO) {
    if (int error = put_tso(qp, wqe, wr.tso.hdr, wr.tso.hdr_sz, wr.tso.mss)) return error;
    return put_sges(qp.transport.send_queue, wqe, wr.sg_list, count);
  }
  bool copies = (wr.send_flags & IBV_SEND_INLINE) && !wqe.reads_back();
  SendQueue& queue = qp.transport.send_queue;
  int error = copies ? put_inline(queue, wqe, wr.sg_list, count) : put_sges(queue, wqe, wr.sg_list, count);
  if (error == 0 && is_datagram(qp)) put_address(wqe, wr.wr.ud.ah, wr.wr.ud.remote_qpn, wr.wr.ud.remote_qkey);
  return error;
}

int put_masked_atomic(Qp& qp, SendWqe& wqe, const ibv_send_wr& wr, const MaskedAtomic& atomic) {
  wqe.wr_id = wr.wr_id;
  wqe.opcode = atomic.opcode;
  wqe.flags = static_cast<uint8_t>(wr.send_flags & ~IBV_SEND_INLINE);
  if (int error = check_opcode(qp, wqe.opcode)) return error;
  if ((atomic.width != 4 && atomic.width != 8) || wr.num_sge < 0) return EINVAL;
  wqe.imm = atomic.width;
  if (qp.init.qp_type == IBV_QPT_XRC_SEND) wqe.srqn = wr.qp_type.xrc.remote_srqn;
  wqe.remote_address = atomic.remote.address;
  wqe.rkey = atomic.remote.rkey;
  wqe.compare_add = atomic.compare_add;
  wqe.swap = atomic.swap;
  SendQueue& queue = qp.transport.send_queue;
  SendExtension& extension = queue.extension(wqe);
  extension.compare_mask = atomic.compare_mask;
  extension.swap_mask = atomic.swap_mask;
  return put_sges(queue, wqe, wr.sg_list, static_cast<size_t>(wr.num_sge));
}

int put_destination(Qp& qp, SendWqe& wqe, const DcDestination& to) {
  if (!to.address || Ah::from(to.address).transport->multicast || !names_queue_pair(to.target)) return EINVAL;
  SendExtension& extension = qp.transport.send_queue.extension(wqe);
  extension.address = Ah::from(to.address).transport;
  extension.address->retain();
  extension.target = to.target;
  extension.key = to.key;
  return 0;
}

int put_pending(Qp& qp, const ibv_send_wr& wr) {
  SendQueue& queue = qp.transport.send_queue;
  std::lock_guard guard(queue.lock());
  if (!takes_sends(qp)) return EINVAL;
  SendWqe* wqe = queue.reserve();
  if (!wqe) return ENOMEM;
  const int error = put_wr(qp, *wqe, wr);
  if (error) queue.unreserve();
  return error;
}

void send_pending(Qp& qp) {
  SendQueue& queue = qp.transport.send_queue;
  queue.lock().lock();
  queue.publish();
  queue.lock().unlock();
  engine().lane.kick(qp.transport);
}

int post_send(Qp& qp, ibv_send_wr* wr, ibv_send_wr** bad_wr) {
  if (qp.init.qp_type == kDcInitiator) [[unlikely]] {  // such a WR names no target
    *bad_wr = wr;
    return EINVAL;
  }
  return post_list(qp, wr, bad_wr, put_wr);
}

int bind_mw(Qp& qp, ibv_mw& mw, const ibv_mw_bind& bind) {
  SendQueue& queue = qp.transport.send_queue;
  std::unique_lock guard(queue.lock());
  if (!takes_sends(qp) || mw.type != IBV_MW_TYPE_1) return EINVAL;
  SendWqe* wqe = queue.reserve();
  if (!wqe) return ENOMEM;
  wqe->wr_id = bind.wr_id;
  wqe->opcode = IBV_WR_BIND_MW;
  wqe->flags = static_cast<uint8_t>(bind.send_flags & (IBV_SEND_SIGNALED | IBV_SEND_FENCE));
  uint32_t rkey = ibv_inc_rkey(mw.rkey);
  int error = put_bind(*wqe, mw, rkey, bind.bind_info);
  if (error) {
    queue.unreserve();
    return error;
  }
  mw.rkey = rkey;
  queue.publish();
  guard.unlock();
  engine().lane.kick(qp.transport);
  return 0;
}

int post_recv(Qp& qp, ibv_recv_wr* wr, ibv_recv_wr** bad_wr) {
  const ibv_qp_type type = qp.init.qp_type;
  bool takes = !qp.init.srq && type != IBV_QPT_XRC_SEND && type != IBV_QPT_XRC_RECV && type != kDcInitiator;
  int error = qp.transport.state() == IBV_QPS_RESET || !takes ? EINVAL : 0;
  for (; wr && error == 0; wr = error ? wr : wr->next) error = qp.transport.receive_queue.post(*wr);
  if (error) *bad_wr = wr;
  if (qp.transport.state() == IBV_QPS_ERR) {
    auto guard = engine().lane.hold();
    qp.transport.flush();
  }
  return error;
}

// --- the builders ------------------------------------------------------------------------------------------------

void wr_start(Qp& qp) {
  qp.transport.send_queue.lock().lock();
  qp.building = nullptr;
  qp.build_error = takes_sends(qp) ? 0 : EINVAL;
}

int wr_complete(Qp& qp) {
  int error = qp.build_error;
  if (error) {
    wr_abort(qp);
    return error;
  }
  qp.transport.send_queue.publish();
  qp.transport.send_queue.lock().unlock();
  engine().lane.kick(qp.transport);
  return 0;
}

void wr_abort(Qp& qp) {
  if (is_datagram(qp)) {
    qp.transport.send_queue.for_each_reserved([](SendWqe& wqe) {
      if (wqe.address) wqe.address->release();
    });
  }
  qp.transport.send_queue.rollback();
  qp.transport.send_queue.lock().unlock();
}

void wr_begin(Qp& qp, ibv_wr_opcode opcode, RemoteAddress remote, uint32_t imm) {
  if (qp.build_error) return;
  qp.building = qp.transport.send_queue.reserve();
  if (!qp.building) {
    qp.build_error = ENOMEM;
    return;
  }
  SendWqe& wqe = *qp.building;
  wqe.wr_id = qp.abi.wr_id;
  wqe.flags = static_cast<uint8_t>(qp.abi.wr_flags & ~IBV_SEND_INLINE);
  wqe.opcode = static_cast<uint8_t>(opcode);
  wqe.imm = imm;
  wqe.remote_address = remote.address;
  wqe.rkey = remote.rkey;
  if (is_datagram(qp)) wqe.address = nullptr;
  wqe.sge_count = 0;
  wqe.length = 0;
  wqe.srqn = 0;
  qp.build_error = check_opcode(qp, wqe.opcode);
}

void wr_xrc_srqn(Qp& qp, uint32_t srqn) {
  if (!qp.build_error && qp.building) qp.building->srqn = srqn;
}

void wr_atomic(Qp& qp, ibv_wr_opcode opcode, RemoteAddress remote, uint64_t compare_add, uint64_t swap) {
  wr_begin(qp, opcode, remote, 0);
  if (qp.build_error) return;
  qp.building->compare_add = compare_add;
  qp.building->swap = swap;
}

void wr_ud_address(Qp& qp, ibv_ah* ah, uint32_t remote_qpn, uint32_t remote_qkey) {
  if (qp.build_error || !qp.building) return;
  if (!is_datagram(qp) || !ah || !names_queue_pair(remote_qpn)) {
    qp.build_error = EINVAL;
    return;
  }
  if (qp.building->address) qp.building->address->release();
  put_address(*qp.building, ah, remote_qpn, remote_qkey);
}

void wr_atomic_write(Qp& qp, RemoteAddress remote, const void* value) {
  wr_begin(qp, IBV_WR_ATOMIC_WRITE, remote, 0);
  if (qp.build_error) return;
  const ibv_sge word{reinterpret_cast<uint64_t>(value), sizeof qp.building->swap, 0};
  qp.build_error = put_word(*qp.building, &word, 1);
}

void wr_flush(Qp& qp, RemoteAddress remote, size_t length, uint8_t type, uint8_t level) {
  wr_begin(qp, static_cast<ibv_wr_opcode>(kFlushOpcode), remote, 0);
  if (qp.build_error) return;
  constexpr uint8_t kGlobal = 1, kPersistent = 2;  // ibv_placement_type
  if (type == 0 || (type & ~(kGlobal | kPersistent)) || level > 1) {
    qp.build_error = EINVAL;
    return;
  }
  uint64_t how = 0;
  if (type & kGlobal) how |= wire::kFlushVisible;
  if (type & kPersistent) how |= wire::kFlushToStorage;
  if (level == 1) how |= wire::kFlushWholeRegion;
  qp.building->swap = how;
  qp.building->compare_add = length;
}

void wr_bind(Qp& qp, ibv_mw& mw, uint32_t rkey, const ibv_mw_bind_info& info) {
  wr_begin(qp, IBV_WR_BIND_MW, {}, 0);
  if (qp.build_error) return;
  qp.build_error = put_bind_type_2(*qp.building, mw, rkey, info);
}

void wr_tso(Qp& qp, const void* header, uint16_t size, uint16_t mss) {
  wr_begin(qp, IBV_WR_TSO, {}, 0);
  if (qp.build_error) return;
  qp.build_error = put_tso(qp, *qp.building, header, size, mss);
}

void wr_sge_list(Qp& qp, const ibv_sge* list, size_t count) {
  if (qp.build_error || !qp.building) return;
  qp.build_error = put_sges(qp.transport.send_queue, *qp.building, list, count);
}

void wr_inline_list(Qp& qp, const ibv_data_buf* list, size_t count) {
  if (qp.build_error || !qp.building) return;
  qp.build_error = put_inline(qp.transport.send_queue, *qp.building, list, count);
}

}  // namespace vb
