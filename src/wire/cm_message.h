// SPDX-License-Identifier: BSD-2-Clause
// The connection manager's wire format: UDP datagrams, each a header and a body of fixed size. The messages and their
// sense are those of the InfiniBand specification's communication management (volume 1, chapter 12).
//
//   active                          passive
//   kRequest    ----------------->              what the active side has, and what it asks for
//               <-----------------  kWait       (MRA) the request has come, the program thinks
//               <-----------------  kReply      or kReject
//   kReady      ----------------->              (RTU)
//   kDisconnect, kDisconnected, both ways
//   kInquire    ----------------->              (SIDR) for datagram services
//               <-----------------  kInform
//   kProbe, kAlive, both ways                   whether the process still knows the connection
//
// Addresses are not in the messages: they are those of the datagram, which the network has checked.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

namespace vb::wire {

inline constexpr uint32_t kCmMagic = 0x4d434256;  // "VBCM"
inline constexpr uint8_t kCmVersion = 1;

enum class Cm : uint8_t {
  kRequest = 1,
  kWait,
  kReply,
  kReady,
  kReject,
  kDisconnect,
  kDisconnected,
  kInquire,
  kInform,
  kProbe,
  kAlive
};

/// The connection's number at either end is random, so that only the two ends can speak of it.
struct CmHeader {
  uint32_t magic;
  uint8_t version;
  Cm type;
  uint16_t size;  ///< of the body
  uint64_t sender;
  uint64_t receiver;  ///< 0 in kRequest and kInquire
};

/// Private data that travels with a message; what follows `size` is zero.
template <size_t kCapacity>
struct CmPrivate {
  uint8_t size;
  uint8_t bytes[kCapacity];
};

/// Enhanced connection establishment: what vendors negotiate.
struct CmEce {
  uint32_t vendor_id;
  uint32_t options;
};

struct CmRequest {
  uint16_t space;
  uint16_t service_port;
  uint16_t source_port;
  uint8_t qp_type;
  uint8_t traffic_class;
  uint32_t qpn;
  uint32_t psn;
  uint8_t responder_resources;
  uint8_t initiator_depth;
  uint8_t flow_control;
  uint8_t retry_count;
  uint8_t rnr_retry_count;
  uint8_t srq;
  uint8_t ack_timeout;
  uint8_t reserved;
  CmEce ece;
  CmPrivate<92> data;
  uint8_t padding[3];
};

struct CmReply {
  uint32_t qpn;
  uint32_t psn;
  uint8_t responder_resources;
  uint8_t initiator_depth;
  uint8_t flow_control;
  uint8_t rnr_retry_count;
  uint8_t srq;
  uint8_t reserved[3];
  CmEce ece;
  CmPrivate<196> data;
  uint8_t padding[3];
};

struct CmReject {
  uint16_t reason;
  CmPrivate<148> data;
  uint8_t padding;
};

struct CmInquire {
  uint16_t space;
  uint16_t service_port;
  uint16_t source_port;
  CmPrivate<216> data;
  uint8_t padding;
};

struct CmInform {
  uint32_t qpn;
  uint32_t qkey;
  uint32_t status;  ///< 0, or why not
  CmEce ece;
  CmPrivate<136> data;
  uint8_t padding[3];
};

inline constexpr size_t kMaxCmBody = sizeof(CmInquire);
inline constexpr size_t kMaxCmMessage = sizeof(CmHeader) + kMaxCmBody;
static_assert(sizeof(CmRequest) <= kMaxCmBody && sizeof(CmReply) <= kMaxCmBody && sizeof(CmReject) <= kMaxCmBody &&
              sizeof(CmInform) <= kMaxCmBody);

/// A message, as it is sent. The body's type follows from header.type.
struct CmMessage {
  CmHeader header{};
  union {
    CmRequest request;
    CmReply reply;
    CmReject reject;
    CmInquire inquire;
    CmInform inform;
    unsigned char body[kMaxCmBody] = {};
  };

  std::span<const unsigned char> bytes() const {
    return {reinterpret_cast<const unsigned char*>(this), sizeof header + header.size};
  }
};

/// The body's size that a type must have.
size_t cm_body_size(Cm type);
/// A message with its header filled in and an empty body.
CmMessage make_cm_message(Cm type, uint64_t sender, uint64_t receiver);
/// False: malformed (size, magic, version, type, or a field out of its range). Nothing else is trusted either: whether
/// the message fits the connection's state is for the connection to check.
bool parse_cm_message(std::span<const unsigned char> bytes, CmMessage& message);
/// The header at the head of `bytes`, of which the end may be missing (an error's quotation). False: none of ours.
bool parse_cm_header(std::span<const unsigned char> bytes, CmHeader& header);

/// Copies private data in, the rest zero. False: more than fits.
template <size_t kCapacity>
bool put_private(CmPrivate<kCapacity>& to, std::span<const unsigned char> from) {
  if (from.size() > kCapacity) return false;
  memset(&to, 0, sizeof to);
  to.size = static_cast<uint8_t>(from.size());
  if (!from.empty()) memcpy(to.bytes, from.data(), from.size());
  return true;
}

}  // namespace vb::wire
