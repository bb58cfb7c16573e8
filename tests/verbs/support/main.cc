// SPDX-License-Identifier: BSD-2-Clause
#include <gtest/gtest.h>

#include "support/pair.h"

int main(int argc, char** argv) {
  vt::run_as_peer_if_asked(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  int status = RUN_ALL_TESTS();
  vt::shared_peer().reset();  // before the statics of gtest go
  return status;
}
