// SPDX-License-Identifier: BSD-2-Clause
// What a device may lack, but not ours.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/device.h"

namespace vt {

// Whether this process has CAP_NET_RAW, which raw packets need: then a device that says EPERM is wrong.
inline bool raw_packets_allowed() {
  const int socket = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (socket >= 0) close(socket);
  return socket >= 0;
}

}  // namespace vt

// Skips the test on other devices than ours; `missing` is a message.
#define SKIP_ON_OTHERS(missing)                  \
  do {                                           \
    ASSERT_FALSE(device_is_ours()) << (missing); \
    GTEST_SKIP() << (missing);                   \
  } while (0)
