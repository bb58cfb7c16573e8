// SPDX-License-Identifier: BSD-2-Clause
// The local sockets between the owner of an XRC target and who has opened it. Their names are abstract, so that network
// namespaces are separate and nothing stays behind; a name proves nothing (XrcDomain::Voucher does).
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "wire/target_message.h"

namespace vb {

/// Listens for who wants to open a target of this slot of a device (an interface's index). EADDRINUSE: the name is
/// taken.
Result<Fd> listen_for_openers(uint32_t device, uint32_t slot);
/// ECONNREFUSED: nobody listens there. Waits, for some seconds at most.
Result<Fd> connect_to_owner(uint32_t device, uint32_t slot);

/// False: the other side is gone, or does not take what it is told.
bool send_message(const Fd& socket, const wire::TargetMessage& message);

enum class Received { kMessage, kNothing, kGone };
/// What is there now; kGone also when it is no such message.
Received receive_message(const Fd& socket, wire::TargetMessage& message);
/// Waits for a message, `milliseconds` at most; kNothing: none came.
Received wait_for_message(const Fd& socket, wire::TargetMessage& message, int milliseconds);

}  // namespace vb
