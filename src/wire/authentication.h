// SPDX-License-Identifier: BSD-2-Clause
// Proofs that a peer knows the shared secret: HMAC-SHA256 (RFC 2104, RFC 6234) over what both sides have said, so that
// a proof fits one connection, one direction and one message only.
#pragma once

#include <array>
#include <initializer_list>
#include <span>
#include <string>

#include "base/result.h"

namespace vb::wire {

using Proof = std::array<unsigned char, 32>;

/// Who proves, and with which message: a proof is never good for another place.
enum class Place : unsigned char { kAcceptorHello = 1, kInitiatorOffer, kAcceptorOffer };

/// The proof over `parts`, in this order.
Proof prove(const std::string& secret, Place place, std::initializer_list<std::span<const unsigned char>> parts);

/// Compares in a time that does not depend on where they differ.
bool same_proof(const Proof& a, const Proof& b);

/// The secret that the option names: itself, or with '@' in front, the first line of a file. EACCES: others than its
/// owner may read or write the file. EINVAL: it holds no secret. Errors of the system calls beneath.
Result<std::string> read_secret(const std::string& option);

}  // namespace vb::wire
