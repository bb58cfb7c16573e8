// SPDX-License-Identifier: BSD-2-Clause
// What is not there fails as it did on a driver that had not got it.
#include <infiniband/peer_ops.h>

#include "exp_support.h"

namespace vt {
namespace {

TEST_F(ExpTest, WhatIsMissingSaysSo) {
  CqPtr cq = make_cq();
  ibv_exp_qp_init_attr init = qp_attr(cq.get());
  QpPtr qp(ibv_exp_create_qp(context.get(), &init));
  ASSERT_NE(qp, nullptr);
  ibv_exp_peer_commit commit{};
  EXPECT_EQ(ibv_exp_peer_commit_qp(qp.get(), &commit), ENOSYS);
  ibv_exp_peer_peek peek{};
  EXPECT_EQ(ibv_exp_peer_peek_cq(cq.get(), &peek), ENOSYS);
  ibv_exp_reg_shared_mr_in shared{};
  EXPECT_NULL_ERRNO(ENOSYS, ibv_exp_reg_shared_mr(&shared));
  ibv_exp_open_device_attr open{};
  open.comp_mask = IBV_EXP_SET_ATTR_PEER_INFO;
  EXPECT_NULL_ERRNO(ENOSYS, ibv_exp_open_device(context->device, &open));
}

TEST_F(ExpTest, TheDataPathsFunctionsCanBeAskedFor) {
  EXPECT_NE(ibv_exp_get_provider_func(context.get(), IBV_EXP_POST_SEND_FUNC), nullptr);
  auto poll_cq = reinterpret_cast<drv_exp_poll_cq_func>(ibv_exp_get_provider_func(context.get(), IBV_EXP_POLL_CQ_FUNC));
  ASSERT_NE(poll_cq, nullptr);
  CqPtr cq = make_cq();
  ibv_exp_wc wc;
  EXPECT_EQ(poll_cq(cq.get(), 1, &wc, sizeof wc), 0);
}

}  // namespace
}  // namespace vt
