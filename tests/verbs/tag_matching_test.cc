// SPDX-License-Identifier: BSD-2-Clause
// What a tag-matching SRQ promises (support/tag_fixture.h). Its errors are in tag_error_test.cc.
#include "support/tag_fixture.h"

namespace vt {
namespace {

using TagMatchingTest = TagTest;

TEST_P(TagMatchingTest, AnEagerMessageFindsItsReceive) {
  add(1, 11);
  add(2, 22);
  for (uint64_t payload : {0u, 100u, 6000u}) {
    SCOPED_TRACE(payload);
    send(IBV_TMH_EAGER, 22, payload);
    Seen seen = next();
    EXPECT_EQ(seen.wr_id, 2u);
    EXPECT_EQ(seen.opcode, IBV_WC_TM_RECV);
    EXPECT_EQ(seen.flags, unsigned{IBV_WC_TM_MATCH | IBV_WC_TM_DATA_VALID});
    EXPECT_EQ(seen.bytes, payload);
    EXPECT_EQ(seen.tag, 22u);
    EXPECT_EQ(seen.priv, 0xabcdu);
    EXPECT_EQ(a().mismatch(2 * kSlot, payload, 22), -1);
    add(2, 22);
  }
}

TEST_P(TagMatchingTest, TheMaskSaysWhatCounts) {
  add(1, 0x1200, 0xff00);
  send(IBV_TMH_EAGER, 0x1234, 8);
  EXPECT_EQ(next().wr_id, 1u);
}

TEST_P(TagMatchingTest, AMessageWithoutAMatchTakesAnOrdinaryReceive) {
  add(1, 11);
  post_ordinary(4);
  send(IBV_TMH_EAGER, 99, 8);
  Seen seen = next();
  EXPECT_EQ(seen.wr_id, kReceive + 4);
  EXPECT_EQ(seen.opcode, IBV_WC_TM_RECV);
  EXPECT_EQ(seen.flags, 0u);
  EXPECT_EQ(seen.bytes, 24u);
  EXPECT_EQ(a().mismatch(4 * kSlot + 16, 8, 99), -1);
}

TEST_P(TagMatchingTest, AMessageWithoutATagTakesAnOrdinaryReceive) {
  add(1, 11);
  post_ordinary(4);
  send(IBV_TMH_NO_TAG, 11, 8);
  Seen seen = next();
  EXPECT_EQ(seen.wr_id, kReceive + 4);
  EXPECT_EQ(seen.opcode, IBV_WC_TM_NO_TAG);
}

TEST_P(TagMatchingTest, WhileTheProgramIsBehindNothingNewMatches) {
  post_ordinary(4);
  post_ordinary(5);
  send(IBV_TMH_EAGER, 7, 8);
  EXPECT_EQ(next().wr_id, kReceive + 4);
  add(1, 7, kExact, IBV_WC_TM_SYNC_REQ);
  send(IBV_TMH_EAGER, 7, 8);
  EXPECT_EQ(next().wr_id, kReceive + 5);
  handled = 1;
  EXPECT_EQ(synchronize().flags, unsigned{IBV_WC_TM_SYNC_REQ});
  handled = 2;
  Seen seen = synchronize();
  EXPECT_EQ(seen.opcode, IBV_WC_TM_SYNC);
  EXPECT_EQ(seen.flags, 0u);
  send(IBV_TMH_EAGER, 7, 8);
  EXPECT_EQ(next().wr_id, 1u);
}

TEST_P(TagMatchingTest, ARemovedReceiveMatchesNoMore) {
  uint32_t first = add(1, 7);
  add(2, 7);
  Seen seen = remove(first);
  EXPECT_EQ(seen.opcode, IBV_WC_TM_DEL);
  EXPECT_EQ(seen.status, IBV_WC_SUCCESS);
  send(IBV_TMH_EAGER, 7, 8);
  EXPECT_EQ(next().wr_id, 2u);
  EXPECT_EQ(remove(first).status, IBV_WC_TM_ERR);
}

TEST_P(TagMatchingTest, ARendezvousBringsTheDataAndTellsTheSender) {
  add(1, 7);
  ASSERT_POSTED(b().post_recv(recv_wr(3, {at_b.sge(4096, 64)})));
  b().fill(65536, 5000, 77);
  ibv_rvh announced{htobe64(at_b.buffer + 65536), htobe32(at_b.rkey), htobe32(5000)};
  send(IBV_TMH_RNDV, 7, 0, &announced);
  Seen matched = next();
  EXPECT_EQ(matched.wr_id, 1u);
  EXPECT_EQ(matched.flags, unsigned{IBV_WC_TM_MATCH});
  EXPECT_EQ(matched.tag, 7u);
  Seen done = next();
  EXPECT_EQ(done.wr_id, 1u);
  EXPECT_EQ(done.opcode, IBV_WC_TM_RECV);
  EXPECT_EQ(done.flags, unsigned{IBV_WC_TM_DATA_VALID});
  EXPECT_EQ(done.bytes, 5000u);
  EXPECT_EQ(a().mismatch(kSlot, 5000, 77), -1);
  auto finish = b().wait_recv();
  ASSERT_DONE(finish, 3);
  EXPECT_EQ(finish[0].byte_len, sizeof(ibv_tmh));
  EXPECT_EQ(b().load(4096, 1), Bytes{IBV_TMH_FIN});
}

TEST_P(TagMatchingTest, ARendezvousWithAWrongKeyIsIncomplete) {
  add(1, 7);
  ibv_rvh announced{htobe64(at_b.buffer), htobe32(at_b.rkey ^ 0x5555), htobe32(64)};
  send(IBV_TMH_RNDV, 7, 0, &announced);
  EXPECT_EQ(next().flags, unsigned{IBV_WC_TM_MATCH});
  Seen failed = next();
  EXPECT_EQ(failed.wr_id, 1u);
  EXPECT_EQ(failed.status, IBV_WC_TM_RNDV_INCOMPLETE);
}

TEST_P(TagMatchingTest, AFullListRefuses) {
  for (uint64_t id : {1, 2, 3, 4}) add(id, id);
  ibv_ops_wr wr{};
  wr.opcode = IBV_WR_TAG_ADD;
  EXPECT_EQ(operate(wr), ENOMEM);
}

TEST_P(TagMatchingTest, BadOperationsAreRefused) {
  ibv_ops_wr wr{};
  wr.opcode = static_cast<ibv_ops_wr_opcode>(77);
  EXPECT_EQ(operate(wr), EINVAL);
  wr.opcode = IBV_WR_TAG_ADD;
  wr.tm.add.num_sge = 1000;
  EXPECT_EQ(operate(wr), EINVAL);
}

TEST_P(TagMatchingTest, AListNeedsASizeThatTheDeviceHas) {
  for (uint32_t size : {0u, 1u << 30}) {
    ibv_srq_init_attr_ex attr = srq_attr();
    attr.tm_cap.max_num_tags = size;
    EXPECT_NULL_ERRNO(EINVAL, SrqPtr(ibv_create_srq_ex(a().local().context(), &attr)));
  }
}

INSTANTIATE_TEST_SUITE_P(Both, TagMatchingTest, kRc, param_name);

}  // namespace
}  // namespace vt
