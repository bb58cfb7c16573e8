// SPDX-License-Identifier: BSD-2-Clause
#include "wire/cm_message.h"

namespace vb::wire {

namespace {

constexpr uint32_t kMaxQpn = 0xffffff;
constexpr uint32_t kMaxPsn = 0xffffff;

template <size_t kCapacity>
bool fits(const CmPrivate<kCapacity>& data) {
  return data.size <= kCapacity;
}

bool body_is_sane(const CmMessage& message) {
  switch (message.header.type) {
    case Cm::kRequest: {
      const CmRequest& body = message.request;
      return body.qpn <= kMaxQpn && body.psn <= kMaxPsn && body.retry_count <= 7 && body.rnr_retry_count <= 7 &&
             body.ack_timeout <= 31 && body.source_port != 0 && fits(body.data);
    }
    case Cm::kReply: {
      const CmReply& body = message.reply;
      return body.qpn <= kMaxQpn && body.psn <= kMaxPsn && body.rnr_retry_count <= 7 && fits(body.data);
    }
    case Cm::kReject: return message.reject.reason != 0 && fits(message.reject.data);
    case Cm::kInquire: return message.inquire.source_port != 0 && fits(message.inquire.data);
    case Cm::kInform: return message.inform.qpn <= kMaxQpn && fits(message.inform.data);
    default: return true;
  }
}

}  // namespace

size_t cm_body_size(Cm type) {
  switch (type) {
    case Cm::kRequest: return sizeof(CmRequest);
    case Cm::kReply: return sizeof(CmReply);
    case Cm::kReject: return sizeof(CmReject);
    case Cm::kInquire: return sizeof(CmInquire);
    case Cm::kInform: return sizeof(CmInform);
    default: return 0;
  }
}

CmMessage make_cm_message(Cm type, uint64_t sender, uint64_t receiver) {
  CmMessage message;
  message.header = {kCmMagic, kCmVersion, type, static_cast<uint16_t>(cm_body_size(type)), sender, receiver};
  return message;
}

bool parse_cm_header(std::span<const unsigned char> bytes, CmHeader& header) {
  if (bytes.size() < sizeof header) return false;
  memcpy(&header, bytes.data(), sizeof header);
  return header.magic == kCmMagic && header.version == kCmVersion && header.type >= Cm::kRequest &&
         header.type <= Cm::kAlive && header.sender != 0;
}

bool parse_cm_message(std::span<const unsigned char> bytes, CmMessage& message) {
  if (!parse_cm_header(bytes, message.header)) return false;
  size_t size = cm_body_size(message.header.type);
  if (message.header.size != size || bytes.size() != sizeof message.header + size) return false;
  bool begins = message.header.type == Cm::kRequest || message.header.type == Cm::kInquire;
  // Who refuses may not know the receiver yet: it takes back a request that nobody has answered.
  bool may_begin = begins || message.header.type == Cm::kReject;
  if (message.header.receiver == 0 ? !may_begin : begins) return false;
  memcpy(message.body, bytes.data() + sizeof message.header, size);
  return body_is_sane(message);
}

}  // namespace vb::wire
