// SPDX-License-Identifier: BSD-2-Clause
// What the files about queue pairs share.
#pragma once

#include <mutex>

#include "transport/lane.h"
#include "verbs/qp.h"

namespace vb {

/// Stops the queue pair without a word to the program, and waits until nothing touches its memory. `guard`: the lane's
/// lock, which others may have meanwhile.
void silence(QueuePair& transport, std::unique_lock<Lane>& guard);

/// What a queue pair belongs to: an XRC target has a domain instead of a PD.
struct Owner {
  Context& context;
  Pd* pd = nullptr;
  Xrcd* xrcd = nullptr;
};

/// The structure that the program sees.
void fill_handle(Qp& qp, const Owner& owner);
/// The queue pair itself, without its handle. Lane's lock held before and released after.
void destroy_transport(Qp& qp, std::unique_lock<Lane>& guard);
/// An asynchronous event of this handle.
void push_event(Qp& handle, ibv_event_type type);

// XRC targets of this process. Lane's lock held.
/// The target of this number, if its domain is an inode's or `domain`; nullptr: there is none, or it is on its way out.
Qp* find_target(uint32_t qpn, const XrcDomain* domain = nullptr);
/// Whether no handle is left, in this process or another.
bool is_unused(const Qp& target);
/// Ends what is not used. Returns without the lock.
void destroy_target(Qp& target, std::unique_lock<Lane>& guard);
/// ibv_modify_qp and ibv_query_qp, whoever asks.
Result<void> modify_target(Qp& target, const ibv_qp_attr& attr, int mask, std::unique_lock<Lane>& guard);
void query_target(Qp& target, ibv_qp_attr& attr, ibv_qp_init_attr& init);

// Handles whose target another process has. Lane's lock held, which others get while its owner is asked.
Result<void> modify_elsewhere(Qp& handle, const ibv_qp_attr& attr, int mask, std::unique_lock<Lane>& guard);
/// The target's attributes, into the handle. One that has ended has those that were known last, and is in ERR.
Result<void> learn_elsewhere(Qp& handle, std::unique_lock<Lane>& guard);

}  // namespace vb
