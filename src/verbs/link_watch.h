// SPDX-License-Identifier: BSD-2-Clause
// Watches the interfaces behind open devices, and tells their contexts: PORT_ERR and PORT_ACTIVE when a link goes down
// or up, GID_CHANGE when addresses come or go, DEVICE_FATAL when an interface vanishes. ibv_get_async_event(3). With
// the interface go the device's addresses, and its queue pairs go to ERR. An interface that comes by the same name is
// another one.
//
// The kernel tells by a netlink socket, which the helper thread serves. So the first open device starts that thread: a
// program may wait on async_fd without ever making a queue pair.
#pragma once

#include <cstdint>

namespace vb {

struct Context;

/// `told` hears of each interface (by index) behind an open device that has vanished, after the device's contexts and
/// queue pairs. It is called by the helper thread with the lane's lock held. One listener, set before it is needed.
void on_interface_gone(void (*told)(uint32_t netdev));

/// From now on the context is told. Where the system allows no socket or no thread, it works without (and the log says
/// so). Any thread, no lock of the engine held.
void watch(Context& context);
/// From now on it is not. Any thread, no lock of the engine held.
void unwatch(Context& context);

}  // namespace vb
