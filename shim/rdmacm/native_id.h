// SPDX-License-Identifier: BSD-2-Clause
// Identifiers on devices of the system's library, beside ours and on the same channels. Whose an identifier is shows
// when it gets an address: what a device of ours has is ours, any other is asked of the system's library. The wildcard
// is at both. The program holds our structure throughout; behind it stands the library's own, to which calls go and
// from which events come.
#pragma once

#include "door.h"
#include "native/inside_fabric.h"

namespace vb::door {

/// Whether the system's library has devices, and both kinds are to be used. Asked once.
bool native_devices();
/// The system library's channel for a new one of ours. nullptr: it has no devices, or no connection manager.
rdma_event_channel* open_native_channel();

/// Whether an address that none of our devices has may be one of theirs.
bool may_be_native(const Id& id, int error);
/// Gives an identifier that has no address one on a native device, and it is native. Errors: the library's.
Result<void> bind_native(Id& id, sockaddr* address);
/// The wildcard's other half: a port that is ours already is taken there as well. EADDRINUSE, EADDRNOTAVAIL: it is
/// taken there.
Result<void> bind_native_too(Id& id, const SocketAddress& address);
/// Starts a resolution, and the identifier is native. Errors: the library's.
Result<void> resolve_native(Id& id, sockaddr* source, sockaddr* destination, int timeout_ms);
/// Its events come on the other channel from now on, those that wait too.
Result<void> migrate_native(Id& id, EventChannel& target);
/// What stands behind the identifier goes, with its events.
void drop_native(Id& id);

/// What the program has hung at the identifier, for the library to see; and what the library has made, for the program.
/// Other threads may be in calls of the same identifier.
void lend_objects(Id& id, rdma_cm_id& native);
void show_objects(Id& id, rdma_cm_id& native);

/// A call of the library on what stands behind `id`: call(native) is 0, or -1 and errno.
template <class Call>
Result<void> on_native(Id& id, Call&& call) {
  rdma_cm_id& native = *id.native;
  lend_objects(id, native);
  native::InsideFabric native_devices_only;
  int error = call(&native) == 0 ? 0 : errno;
  show_objects(id, native);
  if (error) return Error{error};
  return {};
}

/// The identifier's QP and the CQs that were made for it, whosever they are.
void destroy_any_qp(Id& id);

/// The next event of the library's half of a channel, as one of ours. EAGAIN: there is none.
Result<HeldEvent*> next_native_event(EventChannel& channel);

}  // namespace vb::door
