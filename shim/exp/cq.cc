// SPDX-License-Identifier: BSD-2-Clause
// Completion queues, and completions in the form of the era.
#include <cstring>

#include "exp/completion.h"
#include "exp/door.h"

namespace vb::exp {
namespace {

Result<Cq*> make_cq(Context& context, int cqe, int vector, const ibv_exp_cq_init_attr& attr) {
  if (attr.comp_mask & ~uint32_t{IBV_EXP_CQ_INIT_ATTR_RESERVED1 - 1}) return Error{EINVAL};
  const uint32_t flags = (attr.comp_mask & IBV_EXP_CQ_INIT_ATTR_FLAGS) ? attr.flags : 0;
  if (flags & ~uint32_t{IBV_EXP_CQ_CREATE_FLAGS_MASK}) return Error{EINVAL};
  if (flags & IBV_EXP_CQ_AS_NOTIFY) return refuse<"a completion queue for a peer device">();
  if ((attr.comp_mask & IBV_EXP_CQ_INIT_ATTR_PEER_DIRECT) && attr.peer_direct_attrs) {
    return refuse<"a completion queue for a peer device">();
  }
  ibv_cq_init_attr_ex now{};
  now.cqe = cqe > 0 ? static_cast<uint32_t>(cqe) : 0;
  now.comp_vector = static_cast<uint32_t>(vector);
  if (flags & IBV_EXP_CQ_TIMESTAMP) now.wc_flags |= IBV_WC_EX_WITH_COMPLETION_TIMESTAMP;
  if (flags & IBV_EXP_CQ_TIMESTAMP_TO_SYS_TIME) now.wc_flags |= IBV_WC_EX_WITH_COMPLETION_TIMESTAMP_WALLCLOCK;
  return create_cq(context, now);
}

/// The caller, an inline function, holds the context's mutex, and counts the channel's use.
ibv_cq* create(ibv_context* context, int cqe, ibv_comp_channel* channel, int vector, ibv_exp_cq_init_attr* attr) {
  ibv_cq* cq = pointer_entry([&] { return make_cq(Context::from(context), cqe, vector, *attr); });
  if (!cq) return nullptr;
  cq->channel = channel;
  if ((attr->comp_mask & IBV_EXP_CQ_INIT_ATTR_RES_DOMAIN) && attr->res_domain) {
    Cq::from(cq).holds = ResDomain::from(attr->res_domain).reference;
  }
  return cq;
}

int modify(ibv_cq* cq, ibv_exp_cq_attr* attr, int mask) {
  constexpr int kKnown = IBV_EXP_CQ_MODERATION | IBV_EXP_CQ_CAP_FLAGS;
  if (attr->comp_mask >= IBV_EXP_CQ_ATTR_RESERVED || (mask & ~kKnown)) return EINVAL;
  if ((mask & IBV_EXP_CQ_CAP_FLAGS) && (attr->cq_cap_flags & ~uint32_t{IBV_EXP_CQ_CAP_MASK})) return EINVAL;
  if (mask & IBV_EXP_CQ_CAP_FLAGS) {
    Cq::from(cq).queue.set_ignore_overrun((attr->cq_cap_flags & IBV_EXP_CQ_IGNORE_OVERRUN) != 0);
  }
  if (!(mask & IBV_EXP_CQ_MODERATION)) return 0;
  ibv_modify_cq_attr now{IBV_CQ_ATTR_MODERATE, {attr->moderation.cq_count, attr->moderation.cq_period}};
  return errno_entry([&] { return modify_cq(Cq::from(cq), now); });
}

/// In groups, so that what a completion is turned into need not be done under the queue's lock.
int poll(ibv_cq* cq, int count, ibv_exp_wc* wc, uint32_t wc_size) {
  constexpr int kGroup = 16;
  Cqe cqes[kGroup];
  Cq& own = Cq::from(cq);
  auto* at = reinterpret_cast<unsigned char*>(wc);
  int done = 0;
  for (int found = kGroup; done < count && found == kGroup; done += found) {
    found = poll_cqes(own, std::min(kGroup, count - done), cqes);
    for (int i = 0; i < found; ++i, at += wc_size) {
      const ibv_exp_wc whole = completion(cqes[i], own.wc_flags);
      std::memcpy(at, &whole, std::min<size_t>(wc_size, sizeof whole));
    }
  }
  return done;
}

}  // namespace

void overlay_cqs(verbs_context_exp& table) {
  table.exp_create_cq = create;
  table.drv_exp_modify_cq = table.lib_exp_modify_cq = modify;
  table.drv_exp_ibv_poll_cq = poll;
}

}  // namespace vb::exp
