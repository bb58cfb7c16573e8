// SPDX-License-Identifier: BSD-2-Clause
// What programs put in front of messages to a tag-matching SRQ: infiniband/tm_types.h, in network byte order.
#pragma once

#include <endian.h>
#include <infiniband/tm_types.h>

#include <cstdint>
#include <cstring>
#include <span>

namespace vb {

/// The headers of a message, in host byte order.
struct TagHeader {
  uint8_t opcode = IBV_TMH_NO_TAG;  ///< ibv_tmh_op
  uint32_t app_context = 0;
  uint64_t tag = 0;
  bool rendezvous = false;  ///< what follows holds
  uint64_t remote_address = 0;
  uint32_t rkey = 0;
  uint32_t length = 0;
};

/// What is too short for its headers carries no tag.
inline TagHeader parse_tag_header(std::span<const unsigned char> message) {
  TagHeader header;
  ibv_tmh tmh;
  ibv_rvh rvh;
  if (message.size() < sizeof tmh) return header;
  memcpy(&tmh, message.data(), sizeof tmh);
  if (tmh.opcode == IBV_TMH_RNDV && message.size() < sizeof tmh + sizeof rvh) return header;
  header.opcode = tmh.opcode;
  header.app_context = be32toh(tmh.app_ctx);
  header.tag = be64toh(tmh.tag);
  if (tmh.opcode != IBV_TMH_RNDV) return header;
  memcpy(&rvh, message.data() + sizeof tmh, sizeof rvh);
  header.rendezvous = true;
  header.remote_address = be64toh(rvh.va);
  header.rkey = be32toh(rvh.rkey);
  header.length = be32toh(rvh.len);
  return header;
}

/// What the receiver of a rendezvous sends back when it has the data.
inline ibv_tmh finish_header(const TagHeader& header) {
  ibv_tmh tmh{};
  tmh.opcode = IBV_TMH_FIN;
  tmh.app_ctx = htobe32(header.app_context);
  tmh.tag = htobe64(header.tag);
  return tmh;
}

}  // namespace vb
