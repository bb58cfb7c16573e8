// SPDX-License-Identifier: BSD-2-Clause
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>

#include "support/error_table.h"
#include "support/pair.h"
#include "support/tag_error_table.h"

int main(int argc, char** argv) {
  vt::run_as_peer_if_asked(argc, argv);
  if (argc == 2 && std::strcmp(argv[1], "--error-table") == 0)
    return std::puts((vt::error_table_markdown() + vt::tag_error_table_markdown()).c_str()) < 0;
  testing::InitGoogleTest(&argc, argv);
  int status = RUN_ALL_TESTS();
  vt::shared_peer().reset();  // before the statics of gtest go
  return status;
}
