// SPDX-License-Identifier: BSD-2-Clause
// The errors of support/tag_error_table.h, in both forms: what the message gets, what its tagged receive gets, the
// states and asynchronous events afterwards, and that the SRQ keeps what was not used.
#include "support/tag_error_table.h"
#include "support/tag_fixture.h"

namespace vt {
namespace {

class TagErrorTest : public TagTest {
 protected:
  static constexpr uint64_t kTag = 7, kOtherTag = 8;

  TagErrorTest() { link.rnr_retry = 0; }

  // The receive with the tag, and what is sent to it. Every row leaves a second receive alone.
  void provoke(const TagErrorRow& row) {
    ibv_sge sge = at_a.sge(kSlot, kSlot);
    if (row.error == TagError::kTooLong) sge.length = 63;
    if (row.error == TagError::kWrongKey) sge.lkey ^= 0x5a5a5a00;
    const uint32_t handle = add(1, row.error == TagError::kNoMatch ? kOtherTag : kTag, sge);
    const ibv_rvh announced{htobe64(at_b.buffer), htobe32(at_b.rkey ^ 0x5a5a5a00), htobe32(64)};
    switch (row.error) {
      case TagError::kRemovedTwice:
        EXPECT_EQ(remove(handle).status, IBV_WC_SUCCESS);
        EXPECT_EQ(remove(handle).status, row.receiver);
        return post_ordinary(4), send(IBV_TMH_EAGER, kTag, 8, nullptr, row.sender);
      case TagError::kRendezvousWrongKey:
        send(IBV_TMH_RNDV, kTag, 0, &announced, row.sender);
        EXPECT_EQ(next().flags, unsigned{IBV_WC_TM_MATCH});
        return;
      default: return send(IBV_TMH_EAGER, kTag, 64, nullptr, row.sender);
    }
  }

  void expect_at_receiver(const TagErrorRow& row) {
    if (row.error == TagError::kRemovedTwice) {
      EXPECT_EQ(next().wr_id, kReceive + 4);
    } else if (row.receiver != kStays) {
      const Seen seen = next();
      EXPECT_EQ(seen.wr_id, 1u);
      EXPECT_EQ(seen.status, row.receiver);
    }
    ibv_qp_attr attr{};
    ibv_qp_init_attr init{};
    ASSERT_EQ(ibv_query_qp(qp.get(), &attr, IBV_QP_STATE, &init), 0);
    EXPECT_EQ(attr.qp_state, row.receiver_state);
  }

  static void expect_event(Side& side, int wanted) {
    EXPECT_EQ(side.wait_event(wanted == kNoEvent ? 0 : 10000).type, wanted);
    EXPECT_EQ(side.wait_event(0).type, kNoEvent) << "a second event";
  }

  void run(const TagErrorRow& row) {
    add(2, kOtherTag + 1);
    provoke(row);
    if (HasFatalFailure()) return;
    expect_at_receiver(row);
    expect_event(a(), row.receiver_event);
    expect_event(b(), row.sender_event);
    EXPECT_EQ(b().state(), row.sender_state);
    // In ERR, too, the SRQ has what it had.
    ibv_poll_cq_attr attr{};
    EXPECT_EQ(ibv_start_poll(ex, &attr), ENOENT);
  }
};

TEST_P(TagErrorTest, BothEndsSeeWhatTheTableSays) {
  bool first = true;
  for (const TagErrorRow& row : tag_error_table()) {
    SCOPED_TRACE(row.how);
    if (!first) {
      TearDown();
      SetUp();
    }
    first = false;
    if (HasFatalFailure() || IsSkipped()) return;
    run(row);
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Both, TagErrorTest, kRc, param_name);

}  // namespace
}  // namespace vt
