// SPDX-License-Identifier: BSD-2-Clause
// What an administrator may set for all rsockets of a host: one number in each file of /etc/rdma/rsocket. rsocket(7).
#pragma once

#include <cstdint>

namespace vb::rsocket {

struct Settings {
  uint32_t receive_size = 1 << 17;     ///< mem_default: bytes that may arrive and wait to be read
  uint32_t send_size = 1 << 17;        ///< wmem_default: bytes that may be sent and wait to be acknowledged
  uint32_t send_depth = 384;           ///< sqsize_default: messages likewise
  uint32_t receive_depth = 384;        ///< rqsize_default
  uint32_t inline_size = 64;           ///< inline_default: bytes
  uint32_t io_maps = 0;                ///< iomap_size: buffers that the peer may write into
  uint32_t polling_microseconds = 10;  ///< polling_time: how long a call looks before it sleeps
};

/// Read once, at the first rsocket of the process. What is missing or out of range keeps its default.
const Settings& settings();

}  // namespace vb::rsocket
