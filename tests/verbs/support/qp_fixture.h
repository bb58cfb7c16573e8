// SPDX-License-Identifier: BSD-2-Clause
// One QP without traffic, driven through its states; connected to itself where a peer must be named.
#pragma once

#include "support/end.h"
#include "support/fixture.h"
#include "support/qp_table.h"

namespace vt {

class LoneQpTest : public PdTest, public testing::WithParamInterface<ibv_qp_type> {
 protected:
  CqPtr cq{ibv_create_cq(context.get(), 64, nullptr, nullptr, 0)};
  QpPtr qp = create();
  Link link;

  static constexpr int kEverything = (IBV_QP_DEST_QPN << 1) - 1;

  ibv_qp_type type() const { return GetParam(); }

  QpPtr create() {
    ibv_qp_init_attr init{};
    init.send_cq = init.recv_cq = cq.get();
    init.cap = {16, 16, 2, 2, 0};
    init.qp_type = type();
    return QpPtr(ibv_create_qp(pd.get(), &init));
  }

  // Right values for every attribute, whichever of them the mask names.
  ibv_qp_attr good_attr(ibv_qp_state from, ibv_qp_state to) {
    int index = gid_index(context.get());
    Address self{.gid = gid_at(context.get(), index), .qpn = qp->qp_num, .psn = 17};
    ibv_qp_attr attr = rtr_attr(self, link, index, active_mtu(context.get()));
    ibv_qp_attr init = init_attr(link), rts = rts_attr(17, link);
    attr.port_num = init.port_num, attr.qp_access_flags = init.qp_access_flags;
    attr.sq_psn = rts.sq_psn, attr.timeout = rts.timeout, attr.retry_cnt = rts.retry_cnt;
    attr.rnr_retry = rts.rnr_retry, attr.max_rd_atomic = rts.max_rd_atomic;
    attr.alt_ah_attr = attr.ah_attr, attr.alt_port_num = kPort, attr.alt_timeout = 14;
    attr.path_mig_state = IBV_MIG_MIGRATED;
    attr.qkey = 0x1234;
    attr.cur_qp_state = from, attr.qp_state = to;
    return attr;
  }

  int modify(ibv_qp_state from, ibv_qp_state to, int mask) {
    ibv_qp_attr attr = good_attr(from, to);
    return ibv_modify_qp(qp.get(), &attr, mask);
  }

  int step(ibv_qp_state from, ibv_qp_state to) { return modify(from, to, find_transition(from, to)->required(type())); }

  // Brings the QP from wherever it is to `state` by way of RESET.
  void drive_to(ibv_qp_state state) {
    static const std::vector<ibv_qp_state> live = {IBV_QPS_INIT, IBV_QPS_RTR, IBV_QPS_RTS, IBV_QPS_SQD};
    static const std::vector<ibv_qp_state> dead = {IBV_QPS_INIT, IBV_QPS_ERR};
    ASSERT_EQ(modify(IBV_QPS_RESET, IBV_QPS_RESET, IBV_QP_STATE), 0);
    ibv_qp_state at = IBV_QPS_RESET;
    for (ibv_qp_state next : state == IBV_QPS_ERR ? dead : live) {
      if (at == state) return;
      ASSERT_EQ(step(at, next), 0) << state_name(at) << " to " << state_name(next);
      at = next;
    }
    for (Deadline deadline; query().sq_draining && !deadline.expired();) {
    }
  }

  ibv_qp_attr query(ibv_qp_init_attr* init_out = nullptr) {
    ibv_qp_attr attr{};
    ibv_qp_init_attr init{};
    EXPECT_EQ(ibv_query_qp(qp.get(), &attr, kEverything, init_out ? init_out : &init), 0);
    return attr;
  }
  ibv_qp_state state() { return query().qp_state; }
};

inline const auto kConnectedTypes = testing::Values(IBV_QPT_RC, IBV_QPT_UC);
inline const auto kEveryType = testing::Values(IBV_QPT_RC, IBV_QPT_UC, IBV_QPT_UD);

inline std::string type_name(const testing::TestParamInfo<ibv_qp_type>& info) {
  return info.param == IBV_QPT_RC ? "RC" : info.param == IBV_QPT_UC ? "UC" : "UD";
}

}  // namespace vt
