// SPDX-License-Identifier: BSD-2-Clause
// ibv_cq: completion queues, in the legacy and the extended form.
#pragma once

#include <infiniband/verbs.h>

#include <atomic>
#include <memory>

#include "base/export.h"
#include "base/result.h"
#include "base/spinlock.h"
#include "transport/completion_queue.h"
#include "verbs/comp_channel.h"
#include "verbs/context.h"
#include "verbs/pd.h"

namespace vb {

/// ibv_cq is the head of ibv_cq_ex, so that one object serves both.
struct Cq {
  ibv_cq_ex abi{};
  CompletionQueue queue;
  std::atomic<int> uses{0};  ///< QPs and SRQs
  unsigned events_sent = 0;  ///< completion events handed to the program, guarded by abi.mutex
  unsigned async_sent = 0;   ///< asynchronous events handed to the program, guarded by abi.mutex
  Pd* parent_domain = nullptr;
  int node = -1;          ///< of its completion vector (placement.h)
  uint64_t wc_flags = 0;  ///< the fields asked for at creation
  bool single_threaded = false;
  SpinLock polling;             ///< held from start_poll to end_poll, unless single_threaded
  Cqe current{};                ///< what the read_* accessors show
  std::shared_ptr<void> holds;  ///< what it keeps alive besides: a resource domain

  struct Events final : CompletionQueue::Listener {
    explicit Events(Cq& owner) : cq(owner) {}
    void completion_event() override;
    void completion_delayed() override;
    void overflow() override;
    Cq& cq;
  } events{*this};

  static Cq& from(ibv_cq* cq) { return *reinterpret_cast<Cq*>(cq); }
  static Cq& from(ibv_cq_ex* cq) { return *reinterpret_cast<Cq*>(cq); }
};

/// EINVAL for a depth below 1 or above the device's, a comp_vector out of range, or a parent domain that is none;
/// EOPNOTSUPP for fields and flags that are not known. The door fills in the accessors. ibv_create_cq_ex(3).
VB_API Result<Cq*> create_cq(Context& context, const ibv_cq_init_attr_ex& attr);
VB_API Result<void> destroy_cq(Cq& cq);  ///< EBUSY while used, then waits until all its events are acknowledged
VB_API Result<void> resize_cq(Cq& cq, int cqe);
/// Moderation of events. EINVAL for a mask that is not known. ibv_modify_cq(3).
VB_API Result<void> modify_cq(Cq& cq, const ibv_modify_cq_attr& attr);

// The data path (also the ops tables').
VB_API int poll_cq(Cq& cq, int count, ibv_wc* wc);
/// The same, as the engine has them.
VB_API int poll_cqes(Cq& cq, int count, Cqe* cqes);
/// Takes up to `limit` completions out as long as they are `wanted`, and shows the last of them. How many; -1: there
/// are some, but the first is not wanted, and stays.
VB_API int take_cqes(Cq& cq, int limit, bool (*wanted)(const Cqe& cqe), Cqe& last);
VB_API void req_notify_cq(Cq& cq, bool solicited_only);
/// 0: until end_poll the CQ's iterator is the calling thread's; others wait. ENOENT: the CQ is empty, and not held.
VB_API int start_poll(Cq& cq);
VB_API int next_poll(Cq& cq);
VB_API void end_poll(Cq& cq);

}  // namespace vb
