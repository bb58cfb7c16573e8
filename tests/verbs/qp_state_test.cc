// SPDX-License-Identifier: BSD-2-Clause
// The QP state machine: what modify_qp accepts. The table is support/qp_table.h.
#include "support/qp_fixture.h"

namespace vt {
namespace {

class QpStateTest : public LoneQpTest {
 protected:
  static constexpr ibv_qp_state kStates[] = {IBV_QPS_RESET, IBV_QPS_INIT, IBV_QPS_RTR,
                                             IBV_QPS_RTS,   IBV_QPS_SQD,  IBV_QPS_ERR};

  static std::string name(ibv_qp_state from, ibv_qp_state to) { return state_name(from) + " to " + state_name(to); }

  // Migration paths are optional in the specification's own sense: a device may not have them at all.
  static bool needs_path_migration(int bit) { return bit == IBV_QP_ALT_PATH || bit == IBV_QP_PATH_MIG_STATE; }

  void expect_refused(ibv_qp_state from, ibv_qp_state to, int mask, const std::string& why) {
    EXPECT_EQ(modify(from, to, mask), EINVAL) << name(from, to) << " " << why;
    if (state() == from) return;
    ADD_FAILURE() << name(from, to) << " " << why << " changed the state to " << state_name(state());
    drive_to(from);
  }
};

TEST_P(QpStateTest, EveryLegalTransitionNeedsNoMoreThanItsRequiredAttributes) {
  for (const Transition& one : transitions()) {
    drive_to(one.from);
    EXPECT_EQ(step(one.from, one.to), 0) << name(one.from, one.to);
    EXPECT_EQ(state(), one.to) << name(one.from, one.to);
    EXPECT_EQ(qp->state, one.to) << name(one.from, one.to);
  }
}

TEST_P(QpStateTest, EveryOtherTransitionIsRefused) {
  for (ibv_qp_state from : kStates) {
    drive_to(from);
    for (ibv_qp_state to : kStates)
      if (!find_transition(from, to)) expect_refused(from, to, IBV_QP_STATE, "is not in the table");
  }
}

TEST_P(QpStateTest, TransitionsThatSkipAStateAreRefusedWithFullAttributes) {
  int init = find_transition(IBV_QPS_RESET, IBV_QPS_INIT)->required(type());
  int rtr = find_transition(IBV_QPS_INIT, IBV_QPS_RTR)->required(type());
  int rts = find_transition(IBV_QPS_RTR, IBV_QPS_RTS)->required(type());
  drive_to(IBV_QPS_RESET);
  expect_refused(IBV_QPS_RESET, IBV_QPS_RTR, init | rtr, "with all attributes");
  expect_refused(IBV_QPS_RESET, IBV_QPS_RTS, init | rtr | rts, "with all attributes");
  drive_to(IBV_QPS_INIT);
  expect_refused(IBV_QPS_INIT, IBV_QPS_RTS, rtr | rts, "with all attributes");
}

TEST_P(QpStateTest, AMissingRequiredAttributeIsRefused) {
  for (const Transition& one : transitions()) {
    drive_to(one.from);
    for (int bit : kAttributeBits)
      if (one.required(type()) & bit)
        expect_refused(one.from, one.to, one.required(type()) & ~bit, "without bit " + std::to_string(bit));
  }
}

TEST_P(QpStateTest, AnAttributeThatIsNotAllowedIsRefused) {
  for (const Transition& one : transitions()) {
    drive_to(one.from);
    for (int bit : kAttributeBits)
      if (!((one.required(type()) | one.optional(type())) & bit))
        expect_refused(one.from, one.to, one.required(type()) | bit, "with bit " + std::to_string(bit));
  }
}

TEST_P(QpStateTest, EveryOptionalAttributeIsAccepted) {
  for (const Transition& one : transitions()) {
    for (int bit : kAttributeBits) {
      if (!(one.optional(type()) & bit) || needs_path_migration(bit)) continue;
      drive_to(one.from);
      EXPECT_EQ(modify(one.from, one.to, one.required(type()) | bit), 0) << name(one.from, one.to) << " bit " << bit;
    }
  }
}

TEST_P(QpStateTest, AWrongCurrentStateIsRefused) {
  drive_to(IBV_QPS_RTS);
  ibv_qp_attr attr{};
  attr.qp_state = IBV_QPS_RTS;
  attr.cur_qp_state = IBV_QPS_INIT;
  EXPECT_EQ(ibv_modify_qp(qp.get(), &attr, IBV_QP_STATE | IBV_QP_CUR_STATE), EINVAL);
  EXPECT_EQ(state(), IBV_QPS_RTS);
}

TEST_P(QpStateTest, AStateThatDoesNotExistIsRefused) {
  drive_to(IBV_QPS_INIT);
  ibv_qp_attr attr{};
  attr.qp_state = static_cast<ibv_qp_state>(42);
  EXPECT_EQ(ibv_modify_qp(qp.get(), &attr, IBV_QP_STATE), EINVAL);
  EXPECT_EQ(state(), IBV_QPS_INIT);
}

TEST_P(QpStateTest, WithoutAStateTheAttributeChangesAndTheStateStays) {
  drive_to(IBV_QPS_RTS);
  ibv_qp_attr attr{};
  if (type() == IBV_QPT_UD) {
    attr.qkey = 77;
    ASSERT_EQ(ibv_modify_qp(qp.get(), &attr, IBV_QP_QKEY), 0);
    EXPECT_EQ(state(), IBV_QPS_RTS);
    EXPECT_EQ(query().qkey, 77u);
    return;
  }
  attr.qp_access_flags = IBV_ACCESS_REMOTE_READ;
  ASSERT_EQ(ibv_modify_qp(qp.get(), &attr, IBV_QP_ACCESS_FLAGS), 0);
  EXPECT_EQ(state(), IBV_QPS_RTS);
  EXPECT_EQ(query().qp_access_flags, static_cast<unsigned>(IBV_ACCESS_REMOTE_READ));
}

TEST_P(QpStateTest, MinRnrTimerAloneIsAcceptedForRc) {
  if (type() != IBV_QPT_RC) GTEST_SKIP() << "RC only";
  drive_to(IBV_QPS_RTS);
  ibv_qp_attr attr{};
  attr.min_rnr_timer = 20;
  ASSERT_EQ(ibv_modify_qp(qp.get(), &attr, IBV_QP_MIN_RNR_TIMER), 0);
  EXPECT_EQ(query().min_rnr_timer, 20);
}

TEST_P(QpStateTest, SqdTellsWhenItHasDrained) {
  drive_to(IBV_QPS_RTS);
  ibv_qp_attr attr{};
  attr.qp_state = IBV_QPS_SQD;
  attr.en_sqd_async_notify = 1;
  ASSERT_EQ(ibv_modify_qp(qp.get(), &attr, IBV_QP_STATE | IBV_QP_EN_SQD_ASYNC_NOTIFY), 0);
  ibv_async_event event{};
  ASSERT_EQ(ibv_get_async_event(context.get(), &event), 0);
  EXPECT_EQ(event.event_type, IBV_EVENT_SQ_DRAINED);
  EXPECT_EQ(event.element.qp, qp.get());
  ibv_ack_async_event(&event);
}

TEST_P(QpStateTest, GoesRoundFromErrorThroughResetAgain) {
  for (int i = 0; i < 3; ++i) {
    drive_to(IBV_QPS_RTS);
    EXPECT_EQ(step(IBV_QPS_RTS, IBV_QPS_ERR), 0);
    EXPECT_EQ(step(IBV_QPS_ERR, IBV_QPS_RESET), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Both, QpStateTest, kEveryType, type_name);

}  // namespace
}  // namespace vt
