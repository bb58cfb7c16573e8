// SPDX-License-Identifier: BSD-2-Clause
// Two UD QPs that know each other's address: the fixture of datagram tests.
#pragma once

#include "support/pair.h"

namespace vt {

constexpr uint32_t kQkey = 0x11111111;
constexpr uint32_t kGrh = 40;

inline SendWr to(uint64_t handle, uint32_t qpn, SendWr request, uint32_t qkey = kQkey) {
  request.wr.wr.ud.ah = reinterpret_cast<ibv_ah*>(handle);
  request.wr.wr.ud.remote_qpn = qpn;
  request.wr.wr.ud.remote_qkey = qkey;
  return request;
}

inline const auto kUd =
    testing::Values(PairParam{Form::kOneProcess, IBV_QPT_UD}, PairParam{Form::kTwoProcesses, IBV_QPT_UD});

class DatagramTest : public PairTest {
 protected:
  Address at_a, at_b;
  uint64_t a_to_b = 0, b_to_a = 0;
  uint32_t mtu = 0;  // bytes

  void SetUp() override {
    PairTest::SetUp();
    if (IsSkipped()) return;
    mtu = 128u << active_mtu(open_device().get());
    options.qps = 2;
    make();
    for (int qp = 0; qp < options.qps; ++qp) {
      ASSERT_EQ(a().to_datagrams(kQkey, qp), 0);
      ASSERT_EQ(b().to_datagrams(kQkey, qp), 0);
    }
    at_a = a().address();
    at_b = b().address();
    a_to_b = a().make_ah(at_b.gid);
    b_to_a = b().make_ah(at_a.gid);
  }

  void TearDown() override {
    if (made()) {
      for (Side* side : {&a(), &b()}) side->drop_handles();
    }
    PairTest::TearDown();
  }

  SendWr to_b(SendWr request, uint32_t qkey = kQkey) { return to(a_to_b, at_b.qpn, std::move(request), qkey); }
  SendWr to_a(SendWr request, uint32_t qkey = kQkey) { return to(b_to_a, at_a.qpn, std::move(request), qkey); }

  // Room for a datagram of this size at the offset.
  RecvWr room(uint64_t id, uint32_t size, uint64_t offset = 0) { return recv_wr(id, {at_b.sge(offset, kGrh + size)}); }

  // What a sent before is at its end: b has received it or lost it. Both queues of a and b must be empty of
  // completions. One sender's datagrams keep their order, so one to another QP of b tells.
  void settle() {
    ASSERT_POSTED(b().post_recv(room(8000, 0), 1));
    ASSERT_POSTED(a().post_send(to(a_to_b, b().address(1).qpn, send_wr(8001, {}))));
    ASSERT_DONE(b().wait_recv(), 8000);
    ASSERT_DONE(a().wait_send(), 8001);
  }

  // Nothing of what was sent before has arrived: what is sent now is the first.
  void expect_nothing_came() {
    settle();
    ASSERT_POSTED(b().post_recv(room(9000, 0)));
    ASSERT_POSTED(a().post_send(to_b(send_imm_wr(9001, {}, 77))));
    auto wcs = b().wait_recv();
    ASSERT_DONE(wcs, 9000);
    EXPECT_EQ(wcs[0].imm_data, 77u);
    ASSERT_DONE(a().wait_send(), 9001);
  }
};

}  // namespace vt
