// SPDX-License-Identifier: BSD-2-Clause
// An end that is made with the experimental verbs alone, and what tests of them share.
#pragma once

#include <infiniband/verbs_exp.h>

#include <vector>

#include "support/pair.h"

namespace vt {

inline int destroy_exp_dm(ibv_exp_dm* dm) { return ibv_exp_free_dm(dm); }
using ExpDmPtr = std::unique_ptr<ibv_exp_dm, VerbsDeleter<destroy_exp_dm>>;

inline ibv_exp_send_wr exp_wr(ibv_exp_wr_opcode opcode, uint64_t id, ibv_sge* sge) {
  ibv_exp_send_wr wr{};
  wr.wr_id = id;
  wr.sg_list = sge;
  wr.num_sge = sge ? 1 : 0;
  wr.exp_opcode = opcode;
  wr.exp_send_flags = IBV_EXP_SEND_SIGNALED;
  return wr;
}

/// What ibv_exp_poll_cq gives until there are `count`, or the deadline has passed.
inline std::vector<ibv_exp_wc> wait_exp(ibv_cq* cq, size_t count = 1) {
  std::vector<ibv_exp_wc> all;
  for (Deadline deadline; all.size() < count && !deadline.expired();) {
    ibv_exp_wc wc[4];
    int found = ibv_exp_poll_cq(cq, std::min<int>(4, static_cast<int>(count - all.size())), wc, sizeof wc[0]);
    EXPECT_GE(found, 0);
    all.insert(all.end(), wc, wc + std::max(found, 0));
  }
  return all;
}

#define ASSERT_EXP_DONE(wcs, id)                \
  do {                                          \
    const auto& done_ = (wcs);                  \
    ASSERT_EQ(done_.size(), 1u);                \
    ASSERT_EQ(done_[0].wr_id, uint64_t{id});    \
    ASSERT_EQ(done_[0].status, IBV_WC_SUCCESS); \
  } while (0)

class ExpTest : public PdTest {
 protected:
  void SetUp() override {
    PdTest::SetUp();
    if (IsSkipped() || verbs_get_exp_ctx(context.get())) return;
    ASSERT_FALSE(device_is_ours()) << "our context has no table of experimental verbs";
    GTEST_SKIP() << "no experimental verbs";
  }
  CqPtr make_cq(ibv_exp_cq_init_attr attr = {}, ibv_comp_channel* channel = nullptr) {
    return CqPtr(ibv_exp_create_cq(context.get(), 64, this, channel, 0, &attr));
  }
  ibv_exp_qp_init_attr qp_attr(ibv_cq* cq, ibv_qp_type type = IBV_QPT_RC) {
    ibv_exp_qp_init_attr attr{};
    attr.send_cq = attr.recv_cq = cq;
    attr.cap = {64, 64, 4, 4, 64};
    attr.qp_type = type;
    attr.comp_mask = IBV_EXP_QP_INIT_ATTR_PD | IBV_EXP_QP_INIT_ATTR_CREATE_FLAGS | IBV_EXP_QP_INIT_ATTR_ATOMICS_ARG;
    attr.pd = pd.get();
    attr.max_atomic_arg = 32;
    return attr;
  }
};

/// A queue pair of these verbs that is connected to an ordinary one in the peer process.
class ExpPairTest : public ExpTest {
 protected:
  EndOptions peer_options;  // a subclass changes them in its constructor
  CqPtr cq;
  Bytes buffer = Bytes(4096);
  MrPtr mr;
  QpPtr qp;
  std::unique_ptr<Side> peer;
  Address there;

  void SetUp() override {
    ExpTest::SetUp();
    if (IsSkipped()) return;
    cq = make_cq();
    ASSERT_NE(cq, nullptr);
    ibv_exp_reg_mr_in in{};
    in.pd = pd.get(), in.addr = buffer.data(), in.length = buffer.size(), in.exp_access = IBV_EXP_ACCESS_LOCAL_WRITE;
    mr.reset(ibv_exp_reg_mr(&in));
    ASSERT_NE(mr, nullptr);
    ibv_exp_qp_init_attr attr = qp_attr(cq.get());
    qp.reset(ibv_exp_create_qp(context.get(), &attr));
    ASSERT_NE(qp, nullptr);
    peer = std::make_unique<Side>(running_peer(), peer_options);
    there = peer->address();
    connect();
  }
  void TearDown() override {
    qp.reset();
    peer.reset();
    if (HasFailure()) shared_peer().reset();
    if (shared_peer() && shared_peer()->alive()) shared_peer()->drop_end();
  }

  int modify(const ibv_qp_attr& attr, int mask) {
    ibv_exp_qp_attr exp{};
    static_assert(offsetof(ibv_exp_qp_attr, dct_key) == 136);
    std::memcpy(static_cast<void*>(&exp), &attr, 136);
    return ibv_exp_modify_qp(qp.get(), &exp, static_cast<uint64_t>(mask));
  }
  void connect() {
    Link link;
    const int index = gid_index(context.get());
    Address here{.gid = gid_at(context.get(), index), .qpn = qp->qp_num, .psn = 99};
    ASSERT_EQ(peer->connect(here, link), 0);
    ASSERT_EQ(modify(init_attr(link), init_mask()), 0);
    ASSERT_EQ(modify(rtr_attr(there, link, index, active_mtu(context.get())), rtr_mask(IBV_QPT_RC)), 0);
    ASSERT_EQ(modify(rts_attr(99, link), rts_mask(IBV_QPT_RC)), 0);
  }

  ibv_sge sge(size_t offset, uint32_t size) {
    return {reinterpret_cast<uint64_t>(buffer.data() + offset), size, mr->lkey};
  }
  int post(ibv_exp_send_wr wr, ibv_exp_send_wr** bad_wr = nullptr) {
    ibv_exp_send_wr* bad = nullptr;
    int error = ibv_exp_post_send(qp.get(), &wr, &bad);
    if (bad_wr) *bad_wr = bad;
    return error;
  }
  template <class T>
  T local(size_t offset) {
    T value;
    std::memcpy(&value, buffer.data() + offset, sizeof value);
    return value;
  }
  template <class T>
  T remote(uint64_t offset) {
    Bytes bytes = peer->load(offset, sizeof(T));
    T value;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  template <class T>
  void set_remote(uint64_t offset, T value) {
    Bytes bytes(sizeof value);
    std::memcpy(bytes.data(), &value, sizeof value);
    peer->store(offset, bytes);
  }
};

}  // namespace vt
