// SPDX-License-Identifier: BSD-2-Clause
// Memory windows. `a` owns the memory and binds; `b` reaches it.
#include "support/missing.h"
#include "support/pair.h"
#include "support/pattern.h"

namespace vt {
namespace {

class MwObjectTest : public PdTest {
 protected:
  void SetUp() override {
    PdTest::SetUp();
    if (IsSkipped()) return;
    ibv_device_attr attr{};
    ASSERT_EQ(ibv_query_device(context.get(), &attr), 0);
    if (!(attr.device_cap_flags & IBV_DEVICE_MEM_WINDOW)) SKIP_ON_OTHERS("no memory windows");
  }
};

TEST_F(MwObjectTest, TellsWhatItIs) {
  for (ibv_mw_type type : {IBV_MW_TYPE_1, IBV_MW_TYPE_2}) {
    MwPtr mw(ibv_alloc_mw(pd.get(), type));
    ASSERT_NE(mw, nullptr);
    EXPECT_EQ(mw->context, context.get());
    EXPECT_EQ(mw->pd, pd.get());
    EXPECT_EQ(mw->type, type);
    EXPECT_NE(mw->rkey, 0u);
  }
}

TEST_F(MwObjectTest, KeepsItsPdInUse) {
  ibv_pd* own = ibv_alloc_pd(context.get());
  MwPtr mw(ibv_alloc_mw(own, IBV_MW_TYPE_2));
  ASSERT_NE(mw, nullptr);
  EXPECT_EQ(ibv_dealloc_pd(own), EBUSY);
  mw.reset();
  EXPECT_EQ(ibv_dealloc_pd(own), 0);
}

TEST_F(MwObjectTest, AnUnknownTypeIsRefused) {
  EXPECT_NULL_ERRNO(EINVAL, MwPtr(ibv_alloc_mw(pd.get(), static_cast<ibv_mw_type>(7))));
}

class MwTest : public ConnectedTest {
 protected:
  static constexpr unsigned kRemote = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC;

  alignas(64) uint8_t memory[64 << 10] = {};
  MrPtr mr;
  MwPtr mw1, mw2;
  uint32_t key2 = 0;  // of mw2: whoever binds type 2 by a work request keeps the key, ibv_bind_mw(3) does so for type 1

  void SetUp() override {
    ConnectedTest::SetUp();
    if (IsSkipped()) return;
    mr = reg(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_MW_BIND);
    mw1.reset(ibv_alloc_mw(a().local().pd(), IBV_MW_TYPE_1));
    mw2.reset(ibv_alloc_mw(a().local().pd(), IBV_MW_TYPE_2));
    ASSERT_TRUE(mr && mw1 && mw2);
    key2 = mw2->rkey;
  }
  void TearDown() override {
    mw1.reset();
    mw2.reset();
    mr.reset();
    ConnectedTest::TearDown();
  }

  ibv_qp* qp() { return a().local().qp(0); }
  MrPtr reg(int access) { return MrPtr(ibv_reg_mr(a().local().pd(), memory, sizeof memory, access)); }
  uint64_t at(uint64_t offset) { return reinterpret_cast<uint64_t>(memory) + offset; }

  int bind1(ibv_mr* region, uint64_t address, uint64_t length, unsigned access, uint64_t id = 50) {
    ibv_mw_bind bind{.wr_id = id,
                     .send_flags = IBV_SEND_SIGNALED,
                     .bind_info = {.mr = region, .addr = address, .length = length, .mw_access_flags = access}};
    return ibv_bind_mw(qp(), mw1.get(), &bind);
  }
  static SendWr bind_wr(ibv_mw* mw, uint32_t rkey, ibv_mr* region, uint64_t address, uint64_t length, unsigned access) {
    SendWr request = make_wr(IBV_WR_BIND_MW, 50, {}, kSignaled);
    request.wr.bind_mw.mw = mw;
    request.wr.bind_mw.rkey = rkey;
    request.wr.bind_mw.bind_info = {region, address, length, access};
    return request;
  }
  SendWr bind2_wr(uint64_t offset, uint64_t length, unsigned access) {
    key2 = ibv_inc_rkey(key2);
    return bind_wr(mw2.get(), key2, mr.get(), at(offset), length, access);
  }
  static SendWr inv_wr(ibv_wr_opcode opcode, uint64_t id, uint32_t rkey) {
    SendWr request = make_wr(opcode, id, {}, kSignaled);
    request.wr.invalidate_rkey = rkey;
    return request;
  }
  // Binds mw2 and waits for it.
  void bind2(uint64_t offset, uint64_t length, unsigned access) {
    ASSERT_POSTED(a().post_send(bind2_wr(offset, length, access)));
    auto wcs = a().wait_send();
    ASSERT_DONE(wcs, 50);
    EXPECT_EQ(wcs[0].opcode, IBV_WC_BIND_MW);
    mw2->rkey = key2;  // providers take the present key from there
  }
  void expect_written(uint64_t address, uint32_t rkey, uint64_t offset, uint64_t length, uint64_t seed) {
    b().fill(0, length, seed);
    ASSERT_POSTED(b().post_send(write_wr(1, {at_b.sge(0, length)}, address, rkey)));
    ASSERT_DONE(b().wait_send(), 1);
    EXPECT_EQ(find_mismatch(std::span<const uint8_t>(memory + offset, length), seed), -1);
  }
  void expect_refused(SendWr request, ibv_wc_status status = IBV_WC_REM_ACCESS_ERR) {
    request.wr.wr_id = 66;
    ASSERT_POSTED(b().post_send(request));
    EXPECT_STATUS(b().wait_send(), 66, status);
  }
  SendWr write_to(uint64_t address, uint32_t rkey, uint64_t length = 8) {
    return write_wr(66, {at_b.sge(0, length)}, address, rkey);
  }
  void expect_bind_error() {
    EXPECT_STATUS(a().wait_send(), 50, IBV_WC_MW_BIND_ERR);
    EXPECT_EQ(a().state(), IBV_QPS_ERR);
  }
};

TEST_P(MwTest, Type1GrantsWhatItWasBoundTo) {
  uint32_t before = mw1->rkey;
  ASSERT_EQ(bind1(mr.get(), at(100), 1000, kRemote), 0);
  EXPECT_NE(mw1->rkey, before);
  EXPECT_EQ(mw1->rkey >> 8, before >> 8);
  auto wcs = a().wait_send();
  ASSERT_DONE(wcs, 50);
  EXPECT_EQ(wcs[0].opcode, IBV_WC_BIND_MW);
  expect_written(at(100), mw1->rkey, 100, 1000, 3);
  ASSERT_POSTED(b().post_send(read_wr(2, {at_b.sge(2000, 1000)}, at(100), mw1->rkey)));
  ASSERT_DONE(b().wait_send(), 2);
  EXPECT_EQ(b().mismatch(2000, 1000, 3), -1);
}

TEST_P(MwTest, Type1IsBoundAnewWithoutInvalidation) {
  ASSERT_EQ(bind1(mr.get(), at(0), 100, kRemote), 0);
  uint32_t first = mw1->rkey;
  ASSERT_EQ(bind1(mr.get(), at(4096), 100, kRemote), 0);
  ASSERT_EQ(a().wait_send(2).size(), 2u);
  expect_written(at(4096), mw1->rkey, 4096, 100, 3);
  expect_refused(write_to(at(0), first));
}

TEST_P(MwTest, Type1OfZeroLengthIsUnbound) {
  ASSERT_EQ(bind1(mr.get(), at(0), 100, kRemote), 0);
  uint32_t bound = mw1->rkey;
  ASSERT_EQ(bind1(mr.get(), at(0), 0, 0), 0);
  ASSERT_EQ(a().wait_send(2).size(), 2u);
  expect_refused(write_to(at(0), bound));
}

TEST_P(MwTest, Type1RefusesWhatItsCallCanTell) {
  EXPECT_EQ(bind1(nullptr, at(0), 100, kRemote), EINVAL);
  PdPtr other(ibv_alloc_pd(a().local().context()));
  MrPtr foreign(ibv_reg_mr(other.get(), memory, 100, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_MW_BIND));
  ASSERT_NE(foreign, nullptr);
  EXPECT_EQ(bind1(foreign.get(), at(0), 100, kRemote), EPERM);
  ibv_mw_bind bind{};
  EXPECT_EQ(ibv_bind_mw(qp(), mw2.get(), &bind), EINVAL);
}

TEST_P(MwTest, Type2GrantsWhatItWasBoundTo) {
  bind2(256, 4096, kRemote);
  expect_written(at(256), key2, 256, 4096, 4);
}

TEST_P(MwTest, AnyLowByteWillDo) {
  uint32_t rkey = (key2 & 0xffffff00) | ((key2 + 0x77) & 0xff);
  ASSERT_POSTED(a().post_send(bind_wr(mw2.get(), rkey, mr.get(), at(0), 100, kRemote)));
  ASSERT_DONE(a().wait_send(), 50);
  expect_written(at(0), rkey, 0, 100, 4);
}

TEST_P(MwTest, AtomicsReachThroughAWindow) {
  bind2(0, 64, kRemote);
  memory[8] = 41;
  ASSERT_POSTED(b().post_send(fetch_add_wr(1, {at_b.sge(0, 8)}, at(8), key2, 1)));
  ASSERT_DONE(b().wait_send(), 1);
  EXPECT_EQ(memory[8], 42);
}

TEST_P(MwTest, AZeroBasedWindowCountsFromItsStart) {
  bind2(512, 1024, kRemote | IBV_ACCESS_ZERO_BASED);
  expect_written(24, key2, 536, 1000, 5);
  expect_refused(write_to(1020, key2));
}

TEST_P(MwTest, BindingComesBeforeWhatIsPostedBehindIt) {
  ASSERT_POSTED(b().post_recv(recv_wr(7)));
  SendWr bind = bind2_wr(0, 100, kRemote);
  bind.wr.send_flags = 0;
  ASSERT_POSTED(a().post_send({bind, send_wr(51, {})}));
  ASSERT_DONE(b().wait_recv(), 7);
  expect_written(at(0), key2, 0, 100, 6);
  EXPECT_DONE(a().wait_send(), 51);
}

TEST_P(MwTest, OutsideTheWindowNothingIsGranted) {
  bind2(256, 100, kRemote);
  expect_refused(write_to(at(256) + 93, key2));
}

TEST_P(MwTest, LessAccessThanTheRegionIsLess) {
  bind2(0, 100, IBV_ACCESS_REMOTE_READ);
  expect_refused(write_to(at(0), key2));
}

TEST_P(MwTest, UnboundItGrantsNothing) { expect_refused(write_to(at(0), key2)); }

TEST_P(MwTest, Type2ServesItsOwnQpOnly) {
  QpPtr other;
  ibv_qp_init_attr init{};
  init.send_cq = init.recv_cq = a().local().send_cq();
  init.cap = {4, 4, 1, 1, 0};
  init.qp_type = IBV_QPT_RC;
  other.reset(ibv_create_qp(a().local().pd(), &init));
  ASSERT_NE(other, nullptr);
  ibv_context* context = a().local().context();
  Address self = a().address();
  self.qpn = other->qp_num;
  int index = gid_index(context);
  ibv_qp_attr attr = init_attr(link);
  ASSERT_EQ(ibv_modify_qp(other.get(), &attr, init_mask()), 0);
  attr = rtr_attr(self, link, index, active_mtu(context));
  ASSERT_EQ(ibv_modify_qp(other.get(), &attr, rtr_mask(IBV_QPT_RC)), 0);
  attr = rts_attr(self.psn, link);
  ASSERT_EQ(ibv_modify_qp(other.get(), &attr, rts_mask(IBV_QPT_RC)), 0);
  bind2(0, 100, kRemote);
  ibv_sge sge = at_a.sge(0, 8);  // The other QP, connected to itself, tries the window.
  ibv_send_wr wr = write_to(at(0), key2).wr, *bad = nullptr;
  wr.sg_list = &sge;
  wr.num_sge = 1;
  ASSERT_EQ(ibv_post_send(other.get(), &wr, &bad), 0);
  // Whether its own refusal or the answer to it comes first is nobody's promise.
  auto wcs = a().wait_send();
  ASSERT_EQ(wcs.size(), 1u);
  EXPECT_NE(wcs[0].status, IBV_WC_SUCCESS);
  EXPECT_EQ(std::vector<uint8_t>(memory, memory + 8), std::vector<uint8_t>(8, 0));
}

TEST_P(MwTest, LocalInvalidationEndsIt) {
  bind2(0, 100, kRemote);
  ASSERT_POSTED(a().post_send(inv_wr(IBV_WR_LOCAL_INV, 51, key2)));
  auto wcs = a().wait_send();
  ASSERT_DONE(wcs, 51);
  EXPECT_EQ(wcs[0].opcode, IBV_WC_LOCAL_INV);
  expect_refused(write_to(at(0), key2));
}

TEST_P(MwTest, InvalidatedItIsBoundAgain) {
  for (uint64_t round = 0; round < 5; ++round) {
    bind2(round * 4096, 100, kRemote);
    expect_written(at(round * 4096), key2, round * 4096, 100, round);
    ASSERT_POSTED(a().post_send(inv_wr(IBV_WR_LOCAL_INV, 51, key2)));
    ASSERT_DONE(a().wait_send(), 51);
  }
}

TEST_P(MwTest, APeerInvalidatesBySending) {
  bind2(0, 100, kRemote);
  ASSERT_POSTED(a().post_recv(recv_wr(7)));
  ASSERT_POSTED(b().post_send({write_wr(1, {at_b.sge(0, 8)}, at(0), key2), inv_wr(IBV_WR_SEND_WITH_INV, 2, key2)}));
  auto wcs = b().wait_send(2);
  ASSERT_TRUE(completed_all(wcs, {1, 2}, IBV_WC_SUCCESS));
  EXPECT_EQ(wcs[1].opcode, IBV_WC_SEND);
  wcs = a().wait_recv();
  ASSERT_DONE(wcs, 7);
  EXPECT_NE(wcs[0].wc_flags & IBV_WC_WITH_INV, 0u);
  EXPECT_EQ(wcs[0].invalidated_rkey, key2);
  expect_refused(write_to(at(0), key2));
}

TEST_P(MwTest, ALargeSendInvalidatesWhenItHasArrived) {
  bind2(0, 100, kRemote);
  b().fill(0, 60000, 9);
  ASSERT_POSTED(a().post_recv(recv_wr(7, {at_a.sge(0, 60000)})));
  SendWr send = inv_wr(IBV_WR_SEND_WITH_INV, 2, key2);
  send.sges = {at_b.sge(0, 60000)};
  ASSERT_POSTED(b().post_send(send));
  ASSERT_DONE(a().wait_recv(), 7);
  EXPECT_EQ(a().mismatch(0, 60000, 9), -1);
  ASSERT_DONE(b().wait_send(), 2);
  expect_refused(write_to(at(0), key2));
}

TEST_P(MwTest, InvalidatingWhatIsNotBoundFails) {
  ASSERT_POSTED(a().post_send(inv_wr(IBV_WR_LOCAL_INV, 51, key2)));
  EXPECT_STATUS(a().wait_send(), 51, IBV_WC_LOC_QP_OP_ERR);
  EXPECT_EQ(a().state(), IBV_QPS_ERR);
}

TEST_P(MwTest, APeerThatInvalidatesAWrongKeyEndsTheConnection) {
  ASSERT_POSTED(a().post_recv(recv_wr(7)));
  ASSERT_POSTED(b().post_send(inv_wr(IBV_WR_SEND_WITH_INV, 2, mr->rkey)));
  EXPECT_STATUS(a().wait_recv(), 7, IBV_WC_REM_INV_REQ_ERR);
  auto wcs = b().wait_send();
  ASSERT_EQ(wcs.size(), 1u);
  EXPECT_NE(wcs[0].status, IBV_WC_SUCCESS);
  EXPECT_EQ(a().state(), IBV_QPS_ERR);
}

TEST_P(MwTest, BindErrors) {
  MrPtr plain = reg(IBV_ACCESS_LOCAL_WRITE);
  MrPtr read_only = reg(IBV_ACCESS_MW_BIND);
  struct {
    const char* what;
    ibv_mr* region;
    uint64_t offset, length;
    unsigned access;
  } cases[] = {
      {"a region that does not allow it", plain.get(), 0, 100, kRemote},
      {"write access without the region's", read_only.get(), 0, 100, IBV_ACCESS_REMOTE_WRITE},
      {"beyond the region", mr.get(), sizeof memory - 10, 100, kRemote},
      {"no length", mr.get(), 0, 0, kRemote},
  };
  for (auto& each : cases) {
    SCOPED_TRACE(each.what);
    ASSERT_POSTED(
        a().post_send(bind_wr(mw2.get(), ibv_inc_rkey(key2), each.region, at(each.offset), each.length, each.access)));
    expect_bind_error();
    ASSERT_EQ(a().move(IBV_QPS_RESET), 0);
    ASSERT_EQ(a().connect(b().address(), link), 0);
  }
}

TEST_P(MwTest, Type2IsNotBoundTwice) {
  bind2(0, 100, kRemote);
  ASSERT_POSTED(a().post_send(bind2_wr(0, 100, kRemote)));
  expect_bind_error();
}

TEST_P(MwTest, ARegionWithABoundWindowIsNotDeregistered) {
  bind2(0, 100, kRemote);
  EXPECT_EQ(ibv_dereg_mr(mr.get()), device_is_rxe() ? EINVAL : EBUSY);
  expect_written(at(0), key2, 0, 100, 8);
  mw2.reset();
  EXPECT_EQ(ibv_dereg_mr(mr.release()), 0);
}

TEST_P(MwTest, DeallocationEndsIt) {
  bind2(0, 100, kRemote);
  uint32_t rkey = key2;
  mw2.reset();
  expect_refused(write_to(at(0), rkey));
}

TEST_P(MwTest, DestroyingItsQpUnbindsType2) {
  bind2(0, 100, kRemote);
  ASSERT_EQ(a().destroy_qp(), 0);
  EXPECT_EQ(ibv_dereg_mr(mr.release()), 0);
}

INSTANTIATE_TEST_SUITE_P(Both, MwTest, kRc, param_name);

}  // namespace
}  // namespace vt
