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

int nudges = 0;

TEST(LaneTest, AProgramThatSpinsRousesTheSleepingHelperOnce) {
  Lane lane;
  lane.nudge_helper = [] { ++nudges; };
  for (int sleep = 1; sleep <= 2; ++sleep) {
    {
      auto guard = lane.hold();
      lane.helper_goes_to_sleep();
    }
    lane.progress();
    EXPECT_TRUE(lane.helper_sleeps) << "one poll is not spinning";
    for (int i = 0; i < 1000; ++i) lane.progress();
    EXPECT_FALSE(lane.helper_sleeps) << "it counts as awake before the system runs it";
    EXPECT_EQ(nudges, sleep);
  }
}

}  // namespace
}  // namespace vb
