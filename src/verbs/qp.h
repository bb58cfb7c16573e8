// SPDX-License-Identifier: BSD-2-Clause
// ibv_qp: queue pairs, in the legacy and the extended form.
#pragma once

#include <infiniband/verbs.h>

#include <atomic>
#include <memory>
#include <vector>

#include "base/export.h"
#include "base/result.h"
#include "transport/queue_pair.h"
#include "verbs/cq.h"
#include "verbs/pd.h"
#include "verbs/srq.h"
#include "verbs/xrcd.h"

namespace vb {

class FrameTarget;
class OpenedTarget;
class TargetHolder;
struct CompCntr;

/// ibv_qp is the head of ibv_qp_ex, so that one object serves both.
struct Qp {
  explicit Qp(std::unique_ptr<QueuePair> queue_pair) : owned(std::move(queue_pair)), transport(*owned) {}
  /// A further handle of an XRC target.
  explicit Qp(Qp& target) : transport(target.transport), real(&target) {}

  ibv_qp_ex abi{};
  /// The slot behind ibv_qp_ex of newer headers: ibv_wr_flush.
  void (*wr_flush)(ibv_qp_ex* qp, uint32_t rkey, uint64_t address, size_t length, uint8_t type,
                   uint8_t level) = nullptr;
  std::unique_ptr<QueuePair> owned;
  QueuePair& transport;
  ibv_qp_attr attr{};           ///< as the program set it
  ibv_qp_init_attr init{};      ///< as granted
  uint64_t send_ops = 0;        ///< ibv_qp_create_send_ops_flags, 0 for a legacy QP
  SendWqe* building = nullptr;  ///< the WR that a builder is at
  int build_error = 0;
  bool extended = false;            ///< its ring slots have extensions: it takes masked atomics
  uint16_t max_tso_header = 0;      ///< 0: it cuts no messages
  FrameTarget* frames = nullptr;    ///< where steered frames go: of raw packet queue pairs only
  std::atomic<int> flows{0};        ///< steering rules that lead here
  std::vector<CompCntr*> counters;  ///< attached ones
  unsigned async_sent = 0;          ///< asynchronous events handed to the program, guarded by abi.qp_base.mutex
  std::shared_ptr<void> holds;      ///< what it keeps alive besides: a resource domain

  const Device* device = nullptr;

  // An XRC target, which may have several handles (ibv_open_qp). Lane's lock.
  Qp* real = nullptr;          ///< of a further handle: the one that was created, which lives as long as any
  std::vector<Qp*> opened;     ///< of the one that was created: the further handles
  List<TargetHolder> holders;  ///< likewise: those of other processes
  bool closed = false;         ///< likewise: its own handle is destroyed
  bool leaving = false;        ///< likewise: about to be, and still in use
  std::shared_ptr<OpenedTarget> elsewhere;  ///< of a handle whose target another process has
  Xrcd* xrcd = nullptr;                     ///< that the handle uses
  std::shared_ptr<XrcDomain> domain;

  struct Events final : QueuePair::Listener {
    explicit Events(Qp& owner) : qp(owner) {}
    void async_event(ibv_event_type type) override;
    Qp& qp;
  } events{*this};

  static Qp& from(ibv_qp* qp) { return *reinterpret_cast<Qp*>(qp); }
  static Qp& from(ibv_qp_ex* qp) { return *reinterpret_cast<Qp*>(qp); }
};

/// Both fill in the granted capabilities, field by field. `send_ops` 0 makes a legacy QP; the door fills in the
/// builders.
VB_API Result<Qp*> create_qp(Pd& pd, ibv_qp_init_attr& attr);
/// `extended`: it takes masked atomics as well (post.h).
VB_API Result<Qp*> create_qp_ex(Context& context, ibv_qp_init_attr_ex& attr, bool extended = false);
/// A further handle of an XRC target of the domain, whichever process has made it. It is destroyed like any, and the
/// target with its last handle. EINVAL: there is none of that number; ETIMEDOUT: its process does not answer.
/// ibv_open_qp(3).
VB_API Result<Qp*> open_qp(Context& context, const ibv_qp_open_attr& attr);
/// The state machine of the InfiniBand specification (o11-...; table of ibv_modify_qp(3)). EINVAL for a transition or a
/// mask that the table does not have; ENETUNREACH, EHOSTUNREACH when no route leads to the destination GID.
VB_API Result<void> modify_qp(Qp& qp, const ibv_qp_attr& attr, int mask);
/// Never writes rate_limit, nor copies a whole structure: callers' structures differ in size.
VB_API Result<void> query_qp(Qp& qp, ibv_qp_attr* attr, int mask, ibv_qp_init_attr* init);
/// Enhanced connection establishment: which of their vendor's options two ends use. Those of a QP that are offered are
/// in force always, so there is no more to set than to agree; what is not offered is taken out of `ece`. EINVAL: it is
/// another vendor's, or names fields that are not known. ibv_set_ece(3), ibv_query_ece(3).
VB_API Result<void> set_ece(ibv_ece& ece);
VB_API void query_ece(ibv_ece& ece);
/// Waits until no peer and no fabric operation touches the program's memory for this QP.
VB_API Result<void> destroy_qp(Qp& qp);

// The data path. Returns 0 or a positive errno; on failure *bad_wr is the first WR that was not posted.
VB_API int post_send(Qp& qp, ibv_send_wr* wr, ibv_send_wr** bad_wr);
VB_API int post_recv(Qp& qp, ibv_recv_wr* wr, ibv_recv_wr** bad_wr);

// The ibv_wr_* builders. Between start and complete/abort the QP's send queue is locked to the calling thread.
struct RemoteAddress {
  uint64_t address;
  uint32_t rkey;
};
VB_API void wr_start(Qp& qp);
VB_API int wr_complete(Qp& qp);
VB_API void wr_abort(Qp& qp);
VB_API void wr_begin(Qp& qp, ibv_wr_opcode opcode, RemoteAddress remote,
                     uint32_t imm);  ///< imm: as it goes on the wire
VB_API void wr_atomic(Qp& qp, ibv_wr_opcode opcode, RemoteAddress remote, uint64_t compare_add, uint64_t swap);
VB_API void wr_ud_address(Qp& qp, ibv_ah* ah, uint32_t remote_qpn, uint32_t remote_qkey);
VB_API void wr_tso(Qp& qp, const void* header, uint16_t size, uint16_t mss);
VB_API void wr_xrc_srqn(Qp& qp, uint32_t srqn);
VB_API void wr_atomic_write(Qp& qp, RemoteAddress remote, const void* value);
/// `type`: 1 visible to all of the target (global), 2 in storage (persistent), or both. `level`: 0 the range, 1 the
/// whole region. ibv_wr_post(3) of newer releases.
VB_API void wr_flush(Qp& qp, RemoteAddress remote, size_t length, uint8_t type, uint8_t level);
VB_API void wr_bind(Qp& qp, ibv_mw& mw, uint32_t rkey, const ibv_mw_bind_info& info);
VB_API void wr_sge_list(Qp& qp, const ibv_sge* list, size_t count);
VB_API void wr_inline_list(Qp& qp, const ibv_data_buf* list, size_t count);

}  // namespace vb
