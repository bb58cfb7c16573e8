// SPDX-License-Identifier: BSD-2-Clause
// Short forms of what tests say about completions and posts.
#pragma once

#include <gtest/gtest.h>

#include "support/wr.h"

namespace vt {

#define EXPECT_POSTED(result) EXPECT_EQ((result).rc, 0)
#define ASSERT_POSTED(result) ASSERT_EQ((result).rc, 0)

// One completion of `side_call` (wait_send() or wait_recv()) with this id and status.
inline testing::AssertionResult completed(const std::vector<ibv_wc>& wcs, uint64_t id, ibv_wc_status status) {
  if (wcs.size() != 1) return testing::AssertionFailure() << wcs.size() << " completions instead of 1";
  if (wcs[0].wr_id != id || wcs[0].status != status)
    return testing::AssertionFailure() << "wr_id " << wcs[0].wr_id << " " << ibv_wc_status_str(wcs[0].status)
                                       << ", wanted " << id << " " << ibv_wc_status_str(status);
  return testing::AssertionSuccess();
}

inline std::vector<ibv_wc> one_of(const std::vector<ibv_wc>& wcs, size_t index) { return {wcs.at(index)}; }

// These ids in this order, all with this status.
inline testing::AssertionResult completed_all(const std::vector<ibv_wc>& wcs, const std::vector<uint64_t>& ids,
                                              ibv_wc_status status) {
  if (wcs.size() != ids.size())
    return testing::AssertionFailure() << wcs.size() << " completions instead of " << ids.size();
  for (size_t i = 0; i < ids.size(); ++i)
    if (auto one = completed({wcs[i]}, ids[i], status); !one) return one << " at " << i;
  return testing::AssertionSuccess();
}

#define EXPECT_DONE(wcs, id) EXPECT_TRUE(vt::completed(wcs, id, IBV_WC_SUCCESS))
#define ASSERT_DONE(wcs, id) ASSERT_TRUE(vt::completed(wcs, id, IBV_WC_SUCCESS))
#define ASSERT_STATUS(wcs, id, status) ASSERT_TRUE(vt::completed(wcs, id, status))
#define EXPECT_STATUS(wcs, id, status) EXPECT_TRUE(vt::completed(wcs, id, status))

inline std::vector<uint64_t> ids_from(uint64_t first, size_t count) {
  std::vector<uint64_t> ids(count);
  for (size_t i = 0; i < count; ++i) ids[i] = first + i;
  return ids;
}

}  // namespace vt
