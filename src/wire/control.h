// SPDX-License-Identifier: BSD-2-Clause
// The control connection's wire format: a TCP stream of messages, each a ControlHeader and a body of fixed size.
//
//   initiator                      acceptor
//   kHello  ------------------->
//           <-------------------   kHello     who each is, what each can do
//   kOffer  ------------------->              which fabric, and where
//           <-------------------   kOffer     the same, or kReject: then the initiator offers the next best
//   kReady  ------------------->              over a fabric, where the acceptor is to send the first frame
//   kDoorbell, kProbe, kBye, both ways, as long as the connection lives: it is the sign of life
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "wire/authentication.h"

namespace vb::wire {

inline constexpr uint32_t kControlMagic = 0x31304256;  // "VB01"
inline constexpr uint16_t kVersion = 4;

enum class Control : uint16_t { kHello = 1, kOffer, kReject, kDoorbell, kProbe, kCount, kBye, kReady };

struct ControlHeader {
  uint32_t magic;
  Control type;
  uint16_t size;  ///< of the body
};

enum HelloFlag : uint16_t { kSharesMemory = 1, kLittleEndian = 2, kHasSecret = 4 };

struct Hello {
  uint16_t version;
  uint16_t flags;
  uint32_t user;
  int32_t pid;
  int32_t presence_fd;
  uint64_t presence_secret;
  uint64_t pid_namespace;
  uint64_t shm_device;        ///< of /dev/shm
  unsigned char process[16];  ///< random, one for each process
  unsigned char boot[16];     ///< the host's boot id
  char provider[32];          ///< for traffic between hosts
  unsigned char nonce[16];    ///< random, one for each connection
  Proof proof;                ///< of the acceptor, with a secret: over the initiator's Hello and this one
};

enum class Path : uint32_t { kSharedMemory = 1, kFabric = 2 };

struct Offer {
  Path path;
  uint32_t name_size;
  uint64_t token;  ///< what frames to the sender must begin with
  uint64_t proof;  ///< kSharedMemory: read from the receiver's presence page
  char provider[32];
  unsigned char name[256];  ///< the endpoint's address, in the provider's format
  Proof secret_proof;       ///< with a secret: over both Hellos and this Offer
};

/// With kProbe, and with the kCount that answers it.
struct Count {
  uint32_t frames;  ///< that the sender has given to the fabric for this channel
};

inline constexpr size_t kMaxControlBody = sizeof(Offer);

/// The body's size that a type must have.
inline constexpr size_t body_size(Control type) {
  switch (type) {
    case Control::kHello: return sizeof(Hello);
    case Control::kOffer: return sizeof(Offer);
    case Control::kProbe:
    case Control::kCount: return sizeof(Count);
    default: return 0;
  }
}

enum class Parse { kMore, kMessage, kMalformed };

/// Looks for a message at the head of `bytes`. kMessage: `header` is filled, and the body follows it.
inline Parse parse_control(std::span<const unsigned char> bytes, ControlHeader& header) {
  if (bytes.size() < sizeof header) return Parse::kMore;
  memcpy(&header, bytes.data(), sizeof header);
  bool known = header.type >= Control::kHello && header.type <= Control::kReady;
  if (header.magic != kControlMagic || !known || header.size != body_size(header.type)) return Parse::kMalformed;
  return bytes.size() >= sizeof header + header.size ? Parse::kMessage : Parse::kMore;
}

/// A text field of fixed size, which a peer may have left without its end.
template <size_t N>
std::string_view text(const char (&field)[N]) {
  return {field, strnlen(field, N)};
}

}  // namespace vb::wire
