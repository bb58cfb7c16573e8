// SPDX-License-Identifier: BSD-2-Clause
// Queue pairs.
#include <cstring>

#include "exp/door.h"
#include "exp/wq.h"
#include "verbs/crossing.h"
#include "verbs/indirect_mr.h"
#include "verbs/raw_qp.h"

namespace vb::exp {
namespace {

/// Operands of masked atomics: programs ask for room for all four at once.
constexpr uint32_t kMaxAtomicArg = 4 * sizeof(uint64_t);

/// What the first four allow is allowed without them: queues do not overflow before they are full.
constexpr uint32_t kFlags = IBV_EXP_QP_CREATE_UMR | IBV_EXP_QP_CREATE_CROSS_CHANNEL |
                            IBV_EXP_QP_CREATE_IGNORE_SQ_OVERFLOW | IBV_EXP_QP_CREATE_IGNORE_RQ_OVERFLOW |
                            IBV_EXP_QP_CREATE_MANAGED_SEND | IBV_EXP_QP_CREATE_MANAGED_RECV;

bool has(const ibv_exp_qp_init_attr& attr, uint32_t bit) { return (attr.comp_mask & bit) != 0; }

/// EINVAL: not known. EOPNOTSUPP: known, and not offered.
Result<void> check(const ibv_exp_qp_init_attr& attr) {
  if (has(attr, ~uint32_t{IBV_EXP_QP_INIT_ATTR_RESERVED1 - 1})) return Error{EINVAL};
  const uint32_t flags = has(attr, IBV_EXP_QP_INIT_ATTR_CREATE_FLAGS) ? attr.exp_create_flags : 0;
  if (flags & ~kFlags) return refuse<"ibv_exp_qp_init_attr.exp_create_flags">();
  if (has(attr, IBV_EXP_QP_INIT_ATTR_QPG) && attr.qpg.qpg_type != IBV_EXP_QPG_NONE)
    return refuse<"a group of queue pairs">();
  if (has(attr, IBV_EXP_QP_INIT_ATTR_MAX_INL_KLMS) && attr.max_inl_send_klms > kMaxInlineBlocks) return Error{EINVAL};
  if (has(attr, IBV_EXP_QP_INIT_ATTR_PEER_DIRECT) && attr.peer_direct_attrs) {
    return refuse<"a queue pair for a peer device">();
  }
  if (has(attr, IBV_EXP_QP_INIT_ATTR_ASSOCIATED_QPN)) return refuse<"ibv_exp_qp_init_attr.associated_qpn">();
  if (has(attr, IBV_EXP_QP_INIT_ATTR_PORT) && attr.port_num > 1) return Error{EINVAL};
  if (has(attr, IBV_EXP_QP_INIT_ATTR_ATOMICS_ARG) && attr.max_atomic_arg > kMaxAtomicArg) return Error{EINVAL};
  return {};
}

void translate_hash(const ibv_exp_rx_hash_conf& hash, ibv_qp_init_attr_ex& now) {
  now.comp_mask |= IBV_QP_INIT_ATTR_RX_HASH | IBV_QP_INIT_ATTR_IND_TABLE;
  now.rx_hash_conf = {hash.rx_hash_function, hash.rx_hash_key_len, hash.rx_hash_key, hash.rx_hash_fields_mask};
  now.rwq_ind_tbl = hash.rwq_ind_tbl ? ExpTable::from(hash.rwq_ind_tbl).real : nullptr;
}

ibv_qp_init_attr_ex translate(const ibv_exp_qp_init_attr& attr) {
  ibv_qp_init_attr_ex now{};
  now.qp_context = attr.qp_context;
  now.send_cq = attr.send_cq;
  now.recv_cq = attr.recv_cq;
  now.srq = attr.srq;
  now.cap = attr.cap;
  now.qp_type = attr.qp_type;
  now.sq_sig_all = attr.sq_sig_all;
  now.pd = attr.pd;
  now.xrcd = attr.xrcd;
  if (has(attr, IBV_EXP_QP_INIT_ATTR_PD)) now.comp_mask |= IBV_QP_INIT_ATTR_PD;
  if (has(attr, IBV_EXP_QP_INIT_ATTR_XRCD)) now.comp_mask |= IBV_QP_INIT_ATTR_XRCD;
  if (has(attr, IBV_EXP_QP_INIT_ATTR_RX_HASH) && attr.rx_hash_conf) translate_hash(*attr.rx_hash_conf, now);
  if (has(attr, IBV_EXP_QP_INIT_ATTR_MAX_TSO_HEADER) && attr.max_tso_header) {
    now.comp_mask |= IBV_QP_INIT_ATTR_MAX_TSO_HEADER;
    now.max_tso_header = attr.max_tso_header;
  }
  return now;
}

Result<Qp*> make_qp(Context& context, ibv_exp_qp_init_attr& attr) {
  if (auto fine = check(attr); !fine) return Error{fine.error()};
  ibv_qp_init_attr_ex now = translate(attr);
  const bool masked_atomics = attr.qp_type == IBV_QPT_RC || attr.qp_type == IBV_QPT_XRC_SEND;
  auto qp = create_qp_ex(context, now, masked_atomics);
  if (!qp) return qp;
  const uint32_t flags = has(attr, IBV_EXP_QP_INIT_ATTR_CREATE_FLAGS) ? attr.exp_create_flags : 0;
  if (flags & (IBV_EXP_QP_CREATE_MANAGED_SEND | IBV_EXP_QP_CREATE_MANAGED_RECV)) {
    auto managed = manage(**qp, flags & IBV_EXP_QP_CREATE_MANAGED_SEND, flags & IBV_EXP_QP_CREATE_MANAGED_RECV);
    if (!managed) {
      static_cast<void>(static_cast<bool>(destroy_qp(**qp)));
      return Error{managed.error()};
    }
  }
  attr.cap = now.cap;
  if (has(attr, IBV_EXP_QP_INIT_ATTR_INL_RECV)) attr.max_inl_recv = 0;  // as granted: receives are never inline
  if (has(attr, IBV_EXP_QP_INIT_ATTR_RES_DOMAIN) && attr.res_domain) {
    (*qp)->holds = ResDomain::from(attr.res_domain).reference;
  }
  return qp;
}

ibv_qp* create(ibv_context* context, ibv_exp_qp_init_attr* attr) {
  return pointer_entry([&] { return make_qp(Context::from(context), *attr); });
}

/// Today's attributes stand at the front; then rate_limit was somewhere else.
ibv_qp_attr translate(const ibv_exp_qp_attr& attr) {
  static_assert(offsetof(ibv_exp_qp_attr, alt_timeout) == offsetof(ibv_qp_attr, alt_timeout));
  static_assert(offsetof(ibv_exp_qp_attr, dct_key) == 136 && offsetof(ibv_qp_attr, rate_limit) <= 136);
  ibv_qp_attr now{};
  std::memcpy(static_cast<void*>(&now), &attr, offsetof(ibv_exp_qp_attr, alt_timeout) + sizeof attr.alt_timeout);
  now.rate_limit = 0;
  return now;
}

Result<void> limit_rate(Qp& qp, const ibv_exp_qp_attr& attr) {
  ibv_qp_rate_limit_attr rate{};
  rate.rate_limit = attr.rate_limit;
  if (attr.comp_mask & IBV_EXP_QP_ATTR_BURST_INFO) {
    rate.max_burst_sz = attr.burst_info.max_burst_sz;
    rate.typical_pkt_sz = attr.burst_info.typical_pkt_sz;
  }
  return modify_qp_rate_limit(qp, rate);
}

Result<void> change(Qp& qp, const ibv_exp_qp_attr& attr, uint64_t mask) {
  constexpr uint64_t kPlain = IBV_EXP_START_FLAG - 1;
  if (qp.init.qp_type == kDcInitiator) mask &= ~uint64_t{IBV_EXP_QP_DC_KEY};  // of what it received, which is nothing
  if (attr.comp_mask >= IBV_EXP_QP_ATTR_RESERVED) return Error{EINVAL};
  mask &= ~uint64_t{IBV_EXP_QP_OOO_RW_DATA_PLACEMENT};  // it allows what is never done: data is placed in order
  if (mask & ~(kPlain | IBV_EXP_QP_RATE_LIMIT)) return refuse<"an attribute of ibv_exp_modify_qp">();
  if (mask & kPlain) {
    const ibv_qp_attr now = translate(attr);
    if (auto changed = modify_qp(qp, now, static_cast<int>(mask & kPlain)); !changed) return changed;
  }
  return (mask & IBV_EXP_QP_RATE_LIMIT) ? limit_rate(qp, attr) : Result<void>();
}

int modify(ibv_qp* qp, ibv_exp_qp_attr* attr, uint64_t mask) {
  return errno_entry([&] { return change(Qp::from(qp), *attr, mask); });
}

}  // namespace

void overlay_qps(verbs_context_exp& table) {
  table.drv_exp_create_qp = table.lib_exp_create_qp = create;
  table.drv_exp_modify_qp = table.lib_exp_modify_qp = modify;
}

}  // namespace vb::exp
