// SPDX-License-Identifier: BSD-2-Clause
// What the lane lets the helper see of the program.
#include "transport/lane.h"

#include <gtest/gtest.h>

namespace vb {
namespace {

TEST(LaneTest, APollThatFindsWhatTheHelperHasBroughtCounts) {
  Lane lane;
  lane.helper_serves = true;
  const uint32_t before = lane.polls;
  lane.found();
  EXPECT_NE(lane.polls, before);
}

TEST(LaneTest, WhileTheProgramServesItselfOnlyPollsThatMakeProgressCount) {
  Lane lane;
  const uint32_t before = lane.polls;
  lane.found();
  EXPECT_EQ(lane.polls, before);
  lane.progress();
  EXPECT_NE(lane.polls, before);
}

TEST(LaneTest, IsBusyWhileSomebodyHasIt) {
  Lane lane;
  EXPECT_FALSE(lane.busy());
  {
    auto guard = lane.hold();
    EXPECT_TRUE(lane.busy());
  }
  EXPECT_FALSE(lane.busy());
}

}  // namespace
}  // namespace vb
