// SPDX-License-Identifier: BSD-2-Clause
// Tag matching: `b`, in another process or in this one, sends messages with tag headers; the QP of this process
// receives them through an IBV_SRQT_TM SRQ.
#pragma once

#include <infiniband/tm_types.h>

#include "support/missing.h"
#include "support/pair.h"

namespace vt {

constexpr uint64_t kExact = ~uint64_t{0};
constexpr uint64_t kReceive = 1000;  // wr_ids of ordinary receives begin here
constexpr uint64_t kSlot = 8192;     // bytes of the buffer for each receive

class TagTest : public PairTest {
 protected:
  ibv_cq_ex* ex = nullptr;
  SrqPtr srq;
  QpPtr qp;
  Address at_a, at_b;
  uint32_t handled = 0;

  struct Seen {
    uint64_t wr_id;
    ibv_wc_status status;
    ibv_wc_opcode opcode;
    uint32_t bytes;
    unsigned flags;
    uint64_t tag;
    uint32_t priv;
  };

  void SetUp() override {
    PairTest::SetUp();
    if (IsSkipped()) return;
    ContextPtr context = open_device();
    ibv_device_attr_ex attr{};
    if (ibv_query_device_ex(context.get(), nullptr, &attr) || !(attr.tm_caps.flags & IBV_TM_CAP_RC))
      SKIP_ON_OTHERS("this device does not match tags");
    options.buffer = 1 << 20;
    make();
    make_queues();
    at_a = a().address();
    at_a.qpn = qp->qp_num;
    at_b = b().address();
    connect_own();
    ASSERT_EQ(b().connect(at_a, link), 0);
  }
  void TearDown() override {
    qp.reset();
    srq.reset();
    if (ex) {
      EXPECT_EQ(ibv_destroy_cq(ibv_cq_ex_to_cq(ex)), 0);
    }
    PairTest::TearDown();
  }
  ibv_srq_init_attr_ex srq_attr() {
    ibv_srq_init_attr_ex attr{};
    attr.attr = {64, 2, 0};
    attr.comp_mask = IBV_SRQ_INIT_ATTR_TYPE | IBV_SRQ_INIT_ATTR_PD | IBV_SRQ_INIT_ATTR_CQ | IBV_SRQ_INIT_ATTR_TM;
    attr.srq_type = IBV_SRQT_TM;
    attr.pd = a().local().pd();
    attr.cq = ibv_cq_ex_to_cq(ex);
    attr.tm_cap = {4, 4};
    return attr;
  }
  void make_queues() {
    ibv_cq_init_attr_ex cq{};
    cq.cqe = 64;
    cq.wc_flags = uint64_t{IBV_WC_STANDARD_FLAGS} | IBV_WC_EX_WITH_TM_INFO;
    ex = ibv_create_cq_ex(a().local().context(), &cq);
    ASSERT_NE(ex, nullptr);
    ibv_srq_init_attr_ex attr = srq_attr();
    srq.reset(ibv_create_srq_ex(a().local().context(), &attr));
    ASSERT_NE(srq, nullptr);
    ibv_qp_init_attr init{};
    init.send_cq = init.recv_cq = ibv_cq_ex_to_cq(ex);
    init.srq = srq.get();
    init.qp_type = IBV_QPT_RC;
    qp.reset(ibv_create_qp(a().local().pd(), &init));
    ASSERT_NE(qp, nullptr);
  }
  void connect_own() {
    ibv_context* context = a().local().context();
    ibv_qp_attr attr = init_attr(link);
    ASSERT_EQ(ibv_modify_qp(qp.get(), &attr, init_mask()), 0);
    attr = rtr_attr(at_b, link, gid_index(context), active_mtu(context));
    ASSERT_EQ(ibv_modify_qp(qp.get(), &attr, rtr_mask(IBV_QPT_RC)), 0);
    attr = rts_attr(at_a.psn, link);
    ASSERT_EQ(ibv_modify_qp(qp.get(), &attr, rts_mask(IBV_QPT_RC)), 0);
  }

  int operate(ibv_ops_wr& wr) {
    wr.flags |= IBV_OPS_SIGNALED | IBV_OPS_TM_SYNC;
    wr.tm.unexpected_cnt = handled;
    ibv_ops_wr* bad = nullptr;
    int rc = ibv_post_srq_ops(srq.get(), &wr, &bad);
    if (rc) {
      EXPECT_EQ(bad, &wr);
    }
    return rc;
  }
  // Its handle. The receive is slot `id` of the buffer.
  uint32_t add(uint64_t id, uint64_t tag, uint64_t mask = kExact, unsigned flags = 0) {
    return add(id, tag, at_a.sge(id * kSlot, kSlot), mask, flags);
  }
  uint32_t add(uint64_t id, uint64_t tag, ibv_sge sge, uint64_t mask = kExact, unsigned flags = 0) {
    ibv_ops_wr wr{};
    wr.wr_id = id + 100;
    wr.opcode = IBV_WR_TAG_ADD;
    wr.tm.add.recv_wr_id = id;
    wr.tm.add.sg_list = &sge;
    wr.tm.add.num_sge = 1;
    wr.tm.add.tag = tag;
    wr.tm.add.mask = mask;
    EXPECT_EQ(operate(wr), 0);
    Seen seen = next();
    EXPECT_EQ(seen.opcode, IBV_WC_TM_ADD);
    EXPECT_EQ(seen.wr_id, id + 100);
    EXPECT_EQ(seen.flags, flags);
    return wr.tm.handle;
  }
  Seen remove(uint32_t handle) {
    ibv_ops_wr wr{};
    wr.opcode = IBV_WR_TAG_DEL;
    wr.tm.handle = handle;
    EXPECT_EQ(operate(wr), 0);
    return next();
  }
  Seen synchronize() {
    ibv_ops_wr wr{};
    wr.opcode = IBV_WR_TAG_SYNC;
    EXPECT_EQ(operate(wr), 0);
    return next();
  }
  void post_ordinary(uint64_t slot) {
    ibv_sge sge = at_a.sge(slot * kSlot, kSlot);
    ibv_recv_wr wr{kReceive + slot, nullptr, &sge, 1}, *bad = nullptr;
    ASSERT_EQ(ibv_post_srq_recv(srq.get(), &wr, &bad), 0);
  }
  Seen next() {
    ibv_poll_cq_attr attr{};
    Deadline deadline;
    while (ibv_start_poll(ex, &attr) != 0) {
      if (deadline.expired()) {
        ADD_FAILURE() << "no completion";
        return {};
      }
      sched_yield();
    }
    ibv_wc_tm_info info{};
    ibv_wc_read_tm_info(ex, &info);
    Seen seen{ex->wr_id, ex->status, ibv_wc_read_opcode(ex), ibv_wc_read_byte_len(ex), ibv_wc_read_wc_flags(ex),
              info.tag,  info.priv};
    ibv_end_poll(ex);
    return seen;
  }
  void send(ibv_tmh_op opcode, uint64_t tag, uint64_t payload, const ibv_rvh* rendezvous = nullptr,
            ibv_wc_status status = IBV_WC_SUCCESS) {
    ibv_tmh header{};
    header.opcode = static_cast<uint8_t>(opcode);
    header.app_ctx = htobe32(0xabcd);
    header.tag = htobe64(tag);
    Bytes bytes(sizeof header + (rendezvous ? sizeof *rendezvous : 0));
    std::memcpy(bytes.data(), &header, sizeof header);
    if (rendezvous) std::memcpy(bytes.data() + sizeof header, rendezvous, sizeof *rendezvous);
    b().store(0, bytes);
    b().fill(bytes.size(), payload, tag);
    ASSERT_POSTED(b().post_send(send_wr(tag, {at_b.sge(0, bytes.size() + payload)})));
    const auto sent = b().wait_send();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_STATUS(sent, tag, status);
  }
};

}  // namespace vt
