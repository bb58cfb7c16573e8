// SPDX-License-Identifier: BSD-2-Clause
// What the connection manager and its owner tell each other.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "base/gid.h"

namespace vb::cm {

class Identifier;

/// Port spaces are separate: a port of one does not collide with the same number in another.
enum class Space : uint16_t { kIpoib = 0x0002, kTcp = 0x0106, kUdp = 0x0111, kIb = 0x013F };

inline bool datagram_space(Space space) { return space == Space::kUdp || space == Space::kIpoib; }

/// Why a connection was refused: the InfiniBand specification, table 112.
enum Reason : uint16_t {
  kRejectTimeout = 4,
  kRejectInvalidId = 6,
  kRejectNoService = 8,
  kRejectStale = 10,
  kRejectByConsumer = 28,
  kRejectVendorOption = 35
};

/// Why a datagram service does not answer: table 131.
enum InformStatus : uint32_t { kInformValid = 0, kInformUnsupported = 1, kInformRejected = 2 };

struct Ece {
  uint32_t vendor_id = 0;
  uint32_t options = 0;
};

/// What one side of a connection says of itself.
struct Parameters {
  uint32_t qpn = 0;
  uint32_t psn = 0;
  uint32_t qkey = 0;  ///< datagram services
  uint8_t qp_type = 0;
  uint8_t responder_resources = 0;  ///< READs and atomics that it answers at a time
  uint8_t initiator_depth = 0;      ///< READs and atomics that it has outstanding at a time
  uint8_t flow_control = 0;
  uint8_t retry_count = 0;
  uint8_t rnr_retry_count = 0;
  uint8_t srq = 0;
  uint8_t ack_timeout = 0;  ///< 4.096 us * 2^ack_timeout
  uint8_t traffic_class = 0;
  Ece ece;
};

using PrivateData = std::span<const unsigned char>;

// How much private data each message holds; what is received is always reported at full length, as the kernel does.
inline constexpr size_t kRequestPrivate = 92;
inline constexpr size_t kReplyPrivate = 196;
inline constexpr size_t kRejectPrivate = 148;
inline constexpr size_t kInquirePrivate = 216;
inline constexpr size_t kInformPrivate = 136;
/// Requests of the IP port spaces lose this much to the addresses that the specification puts there.
inline constexpr size_t kIpHeader = 36;

enum class Kind {
  kAddressResolved,
  kAddressError,
  kRouteResolved,
  kRouteError,
  kConnectRequest,
  kConnectResponse,
  kConnectError,
  kUnreachable,
  kRejected,
  kEstablished,
  kDisconnected,
  kDeviceRemoval,
  kMulticastJoin,
  kMulticastError,
  kTimewaitExit,
  kAddrinfoResolved,
  kAddrinfoError,
  kUser
};

struct Event {
  Kind kind = Kind::kAddressResolved;
  int status = 0;  ///< 0, a negative errno, or a Reason
  std::shared_ptr<Identifier> id;
  std::shared_ptr<Identifier> listener;  ///< kConnectRequest
  Parameters peer;
  std::array<unsigned char, kInquirePrivate> data{};
  uint8_t data_size = 0;
  std::shared_ptr<void> subject;  ///< kMulticastJoin, kMulticastError, kAddrinfoResolved: the owner's own
};

}  // namespace vb::cm
