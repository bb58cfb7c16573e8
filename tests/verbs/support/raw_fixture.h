// SPDX-License-Identifier: BSD-2-Clause
// Raw packet queue pairs on one port: what one sends, the others may receive. On loopback that is the interface's own
// doing; frames carry a type that no network stack listens to, and an address of this test process alone.
#pragma once

#include <arpa/inet.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "support/deadline.h"
#include "support/fixture.h"
#include "support/missing.h"

namespace vt {

constexpr uint16_t kExperimental = 0x88b5;  // IEEE: local experiments

using Frame = std::vector<unsigned char>;
using FlowPtr = std::unique_ptr<ibv_flow, VerbsDeleter<ibv_destroy_flow>>;

/// An ibv_flow_attr and the specifications behind it.
class FlowAttr {
 public:
  explicit FlowAttr(ibv_flow_attr_type type = IBV_FLOW_ATTR_NORMAL, uint16_t priority = 0) {
    head_.type = type;
    head_.priority = priority;
    head_.port = kPort;
  }
  template <class Spec>
  FlowAttr& add(ibv_flow_spec_type type, Spec spec) {
    spec.type = type;
    spec.size = sizeof spec;
    const auto* at = reinterpret_cast<const unsigned char*>(&spec);
    specs_.insert(specs_.end(), at, at + sizeof spec);
    ++head_.num_of_specs;
    return *this;
  }
  ibv_flow_attr& head() { return head_; }
  ibv_flow* create(ibv_qp* qp) {
    head_.size = static_cast<uint16_t>(sizeof head_ + specs_.size());
    std::vector<unsigned char> bytes(head_.size);
    std::memcpy(bytes.data(), &head_, sizeof head_);
    if (!specs_.empty()) std::memcpy(bytes.data() + sizeof head_, specs_.data(), specs_.size());
    return ibv_create_flow(qp, reinterpret_cast<ibv_flow_attr*>(bytes.data()));
  }

 private:
  ibv_flow_attr head_{};
  std::vector<unsigned char> specs_;
};

/// An address of this process, told apart by its last byte.
inline std::vector<unsigned char> own_address(unsigned char which) {
  const auto pid = static_cast<uint32_t>(getpid());
  return {2,
          static_cast<unsigned char>(pid >> 16),
          static_cast<unsigned char>(pid >> 8),
          static_cast<unsigned char>(pid),
          0x77,
          which};
}

inline Frame frame_to(unsigned char which, uint16_t type = kExperimental, size_t payload = 50) {
  Frame frame = own_address(which);
  const Frame source = own_address(0xee);
  frame.insert(frame.end(), source.begin(), source.end());
  frame.push_back(static_cast<unsigned char>(type >> 8));
  frame.push_back(static_cast<unsigned char>(type));
  for (size_t i = 0; i < payload; ++i) frame.push_back(static_cast<unsigned char>(i));
  return frame;
}

inline ibv_flow_spec_eth to_address(unsigned char which) {
  ibv_flow_spec_eth spec{};
  std::memcpy(spec.val.dst_mac, own_address(which).data(), 6);
  std::memset(spec.mask.dst_mac, 0xff, 6);
  return spec;
}

class RawTest : public PdTest {
 protected:
  static constexpr size_t kSlot = 4096;
  static constexpr int kReceives = 16;

  struct Received {
    ibv_wc wc{};
    Frame frame;
  };

  CqPtr send_cq;
  std::vector<unsigned char> memory = std::vector<unsigned char>(kSlot * 64);
  MrPtr mr;
  QpPtr sender;

  void SetUp() override {
    PdTest::SetUp();
    if (IsSkipped()) return;
    send_cq.reset(ibv_create_cq(context.get(), 64, nullptr, nullptr, 0));
    mr.reset(ibv_reg_mr(pd.get(), memory.data(), memory.size(), IBV_ACCESS_LOCAL_WRITE));
    ASSERT_NE(mr, nullptr);
    errno = 0;
    sender = make_qp(send_cq.get());
    if (!sender && errno == EPERM && !raw_packets_allowed()) GTEST_SKIP() << "raw packets need CAP_NET_RAW";
    if (!sender && errno != 0) SKIP_ON_OTHERS("the device has no raw packet queue pairs");
    ASSERT_NE(sender, nullptr) << strerror(errno);
    ASSERT_EQ(to_rts(sender.get()), 0);
  }

  QpPtr make_qp(ibv_cq* cq) {
    ibv_qp_init_attr init{};
    init.send_cq = init.recv_cq = cq;
    init.cap = {16, kReceives, 2, 1, 128};
    init.qp_type = IBV_QPT_RAW_PACKET;
    init.sq_sig_all = 1;
    return QpPtr(ibv_create_qp(pd.get(), &init));
  }

  static int to_rts(ibv_qp* qp) {
    ibv_qp_attr attr{};
    attr.qp_state = IBV_QPS_INIT;
    attr.port_num = kPort;
    if (int error = ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PORT)) return error;
    attr.qp_state = IBV_QPS_RTR;
    if (int error = ibv_modify_qp(qp, &attr, IBV_QP_STATE)) return error;
    attr.qp_state = IBV_QPS_RTS;
    return ibv_modify_qp(qp, &attr, IBV_QP_STATE);
  }

  ibv_sge slot(int number, size_t length = kSlot) const {
    return {reinterpret_cast<uintptr_t>(memory.data()) + static_cast<size_t>(number) * kSlot,
            static_cast<uint32_t>(length), mr->lkey};
  }

  /// Receives go into slots 8 and on.
  void post_receives(ibv_qp* qp, int count = 8, size_t length = kSlot) {
    for (int i = 0; i < count; ++i) {
      ibv_sge sge = slot(8 + i, length);
      ibv_recv_wr wr{.wr_id = static_cast<uint64_t>(8 + i), .next = nullptr, .sg_list = &sge, .num_sge = 1};
      ibv_recv_wr* bad = nullptr;
      ASSERT_EQ(ibv_post_recv(qp, &wr, &bad), 0);
    }
  }

  ibv_wc poll(ibv_cq* cq) {
    ibv_wc wc{};
    for (Deadline deadline; !deadline.expired();) {
      if (ibv_poll_cq(cq, 1, &wc) == 1) return wc;
    }
    ADD_FAILURE() << "no completion";
    wc.status = IBV_WC_GENERAL_ERR;
    return wc;
  }

  void send(const Frame& frame, unsigned flags = 0) {
    std::copy(frame.begin(), frame.end(), memory.begin());
    ibv_sge sge = slot(0, frame.size());
    ibv_send_wr wr{};
    wr.sg_list = &sge;
    wr.num_sge = 1;
    wr.opcode = IBV_WR_SEND;
    wr.send_flags = flags;
    ibv_send_wr* bad = nullptr;
    ASSERT_EQ(ibv_post_send(sender.get(), &wr, &bad), 0);
    EXPECT_EQ(poll(send_cq.get()).status, IBV_WC_SUCCESS);
  }

  Received receive(ibv_cq* cq) {
    Received received;
    received.wc = poll(cq);
    if (received.wc.status != IBV_WC_SUCCESS) return received;
    const auto* at = memory.data() + received.wc.wr_id * kSlot;
    received.frame.assign(at, at + received.wc.byte_len);
    return received;
  }
};

/// With a second queue pair that receives.
class RawPairTest : public RawTest {
 protected:
  CqPtr cq;
  QpPtr receiver;

  void SetUp() override {
    RawTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    cq.reset(ibv_create_cq(context.get(), 64, nullptr, nullptr, 0));
    receiver = make_qp(cq.get());
    ASSERT_NE(receiver, nullptr);
    ASSERT_EQ(to_rts(receiver.get()), 0);
    post_receives(receiver.get());
  }

  FlowPtr steer(FlowAttr attr) {
    FlowPtr flow(attr.create(receiver.get()));
    EXPECT_NE(flow, nullptr) << strerror(errno);
    return flow;
  }
};

}  // namespace vt
