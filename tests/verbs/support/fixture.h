// SPDX-License-Identifier: BSD-2-Clause
// The base of every fixture: skips what the device under test is known not to do.
#pragma once

#include <fnmatch.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "support/device.h"
#include "support/known_rxe.h"

namespace vt {

// "Suite.Test" or "Suite.Test/parameter" without a parameterised suite's prefix.
inline std::string current_test() {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  std::string suite = test->test_suite_name();
  if (size_t slash = suite.find('/'); slash != std::string::npos) suite = suite.substr(slash + 1);
  return suite + "." + test->name();
}

inline const char* rxe_defect(const std::string& test) {
  const char* wish = std::getenv("VERBATIM_TEST_KNOWN_RXE");
  if (!device_is_rxe() || (wish && std::strcmp(wish, "run") == 0)) return nullptr;
  for (const KnownRxe& known : kKnownRxe)
    if (fnmatch(known.pattern, test.c_str(), 0) == 0) return known.reason;
  return nullptr;
}

class VerbsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const char* reason = rxe_defect(current_test())) GTEST_SKIP() << "known rxe defect: " << reason;
  }
};

// With an open device and a PD.
class PdTest : public VerbsTest {
 protected:
  ContextPtr context = open_device();
  PdPtr pd{ibv_alloc_pd(context.get())};

  void SetUp() override {
    VerbsTest::SetUp();
    ASSERT_NE(pd, nullptr);
  }
};

// EXPECT_NULL_ERRNO(EINVAL, ibv_create_cq(...)): the call gives NULL and sets errno.
#define EXPECT_NULL_ERRNO(code, call)    \
  do {                                   \
    errno = 0;                           \
    EXPECT_EQ((call), nullptr) << #call; \
    EXPECT_EQ(errno, code) << #call;     \
  } while (0)

}  // namespace vt
