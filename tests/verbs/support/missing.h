// SPDX-License-Identifier: BSD-2-Clause
// What a device may lack, but not ours.
#pragma once

#include <gtest/gtest.h>

#include "support/device.h"

// Skips the test on other devices than ours; `missing` is a message.
#define SKIP_ON_OTHERS(missing)                  \
  do {                                           \
    ASSERT_FALSE(device_is_ours()) << (missing); \
    GTEST_SKIP() << (missing);                   \
  } while (0)
