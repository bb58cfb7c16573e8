// SPDX-License-Identifier: BSD-2-Clause
// XRC domains, SRQs and queue pairs without traffic; that is in xrc_traffic_test.cc.
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

#include "support/end.h"
#include "support/fixture.h"
#include "support/missing.h"

namespace vt {
namespace {

class XrcTest : public PdTest {
 protected:
  CqPtr cq;
  XrcdPtr domain;
  int fd = -1;

  void SetUp() override {
    PdTest::SetUp();
    if (IsSkipped()) return;
    ibv_device_attr attr{};
    ibv_query_device(context.get(), &attr);
    if (!(attr.device_cap_flags & IBV_DEVICE_XRC)) SKIP_ON_OTHERS("this device has no XRC");
    char name[] = "/tmp/verbs_xrc_XXXXXX";
    fd = mkstemp(name);
    unlink(name);
    ASSERT_GE(fd, 0);
    cq.reset(ibv_create_cq(context.get(), 16, nullptr, nullptr, 0));
    domain.reset(open(-1, O_CREAT));
    ASSERT_NE(domain, nullptr);
  }
  void TearDown() override {
    if (fd >= 0) close(fd);
  }
  ibv_xrcd* open(int file, int flags) {
    ibv_xrcd_init_attr attr{IBV_XRCD_INIT_ATTR_FD | IBV_XRCD_INIT_ATTR_OFLAGS, file, flags};
    return ibv_open_xrcd(context.get(), &attr);
  }
  ibv_srq_init_attr_ex srq_attr() {
    ibv_srq_init_attr_ex attr{};
    attr.attr = {16, 2, 0};
    attr.comp_mask = IBV_SRQ_INIT_ATTR_TYPE | IBV_SRQ_INIT_ATTR_PD | IBV_SRQ_INIT_ATTR_XRCD | IBV_SRQ_INIT_ATTR_CQ;
    attr.srq_type = IBV_SRQT_XRC;
    attr.pd = pd.get();
    attr.xrcd = domain.get();
    attr.cq = cq.get();
    return attr;
  }
  ibv_srq* create_srq() {
    ibv_srq_init_attr_ex attr = srq_attr();
    return ibv_create_srq_ex(context.get(), &attr);
  }
  ibv_qp* create_target(ibv_xrcd* xrcd) {
    ibv_qp_init_attr_ex attr{};
    attr.qp_type = IBV_QPT_XRC_RECV;
    attr.comp_mask = IBV_QP_INIT_ATTR_XRCD;
    attr.xrcd = xrcd;
    return ibv_create_qp_ex(context.get(), &attr);
  }
  ibv_qp* create_initiator() {
    ibv_qp_init_attr_ex attr{};
    attr.qp_type = IBV_QPT_XRC_SEND;
    attr.comp_mask = IBV_QP_INIT_ATTR_PD;
    attr.pd = pd.get();
    attr.send_cq = cq.get();
    attr.cap = {4, 0, 1, 0, 0};
    return ibv_create_qp_ex(context.get(), &attr);
  }
  ibv_qp* open_target(uint32_t qpn, ibv_xrcd* xrcd, ibv_qp_type type = IBV_QPT_XRC_RECV) {
    ibv_qp_open_attr attr{};
    attr.comp_mask = IBV_QP_OPEN_ATTR_NUM | IBV_QP_OPEN_ATTR_XRCD | IBV_QP_OPEN_ATTR_CONTEXT | IBV_QP_OPEN_ATTR_TYPE;
    attr.qp_num = qpn;
    attr.xrcd = xrcd;
    attr.qp_context = this;
    attr.qp_type = type;
    return ibv_open_qp(context.get(), &attr);
  }
};

TEST_F(XrcTest, ADomainWithoutAnInodeMustBeCreated) { EXPECT_NULL_ERRNO(EINVAL, XrcdPtr(open(-1, 0))); }

TEST_F(XrcTest, ADomainOfAnInodeExistsFromItsCreationToItsLastClose) {
  EXPECT_NULL_ERRNO(EAGAIN, XrcdPtr(open(fd, 0)));
  XrcdPtr first(open(fd, O_CREAT));
  ASSERT_NE(first, nullptr);
  XrcdPtr second(open(fd, 0));
  EXPECT_NE(second, nullptr);
  first.reset();
  EXPECT_NE(XrcdPtr(open(fd, 0)), nullptr);
  second.reset();
  EXPECT_NULL_ERRNO(EAGAIN, XrcdPtr(open(fd, 0)));
}

TEST_F(XrcTest, AnExclusiveCreationFailsWhenTheDomainExists) {
  XrcdPtr first(open(fd, O_CREAT | O_EXCL));
  ASSERT_NE(first, nullptr);
  EXPECT_NULL_ERRNO(EINVAL, XrcdPtr(open(fd, O_CREAT | O_EXCL)));
}

TEST_F(XrcTest, TheInodeMattersNotTheDescriptor) {
  XrcdPtr first(open(fd, O_CREAT));
  int again = dup(fd);
  EXPECT_NE(XrcdPtr(open(again, 0)), nullptr);
  close(again);
}

TEST_F(XrcTest, AClosedDescriptorIsRefused) {
  int gone = dup(fd);
  close(gone);
  EXPECT_NULL_ERRNO(EBADF, XrcdPtr(open(gone, O_CREAT)));
}

TEST_F(XrcTest, TheDomainOutlivesTheDescriptor) {
  int other = dup(fd);
  XrcdPtr first(open(other, O_CREAT));
  close(other);
  EXPECT_NE(XrcdPtr(open(fd, 0)), nullptr);
}

TEST_F(XrcTest, ADomainIsBusyWhileAnSrqOrATargetUsesIt) {
  ibv_xrcd* xrcd = domain.release();
  domain.reset(xrcd);
  SrqPtr srq(create_srq());
  ASSERT_NE(srq, nullptr);
  EXPECT_EQ(ibv_close_xrcd(xrcd), EBUSY);
  srq.reset();
  QpPtr target(create_target(xrcd));
  ASSERT_NE(target, nullptr);
  EXPECT_EQ(ibv_close_xrcd(xrcd), EBUSY);
}

TEST_F(XrcTest, AnSrqHasANumberOfItsOwn) {
  SrqPtr one(create_srq()), two(create_srq());
  ASSERT_NE(one, nullptr);
  ASSERT_NE(two, nullptr);
  uint32_t first = 0, second = 0;
  ASSERT_EQ(ibv_get_srq_num(one.get(), &first), 0);
  ASSERT_EQ(ibv_get_srq_num(two.get(), &second), 0);
  EXPECT_NE(first, second);
  EXPECT_LE(first, 0xffffffu);
}

TEST_F(XrcTest, AnSrqNeedsDomainCqAndPd) {
  for (uint32_t missing : {IBV_SRQ_INIT_ATTR_PD, IBV_SRQ_INIT_ATTR_XRCD, IBV_SRQ_INIT_ATTR_CQ}) {
    ibv_srq_init_attr_ex attr = srq_attr();
    attr.comp_mask &= ~missing;
    EXPECT_NULL_ERRNO(EINVAL, SrqPtr(ibv_create_srq_ex(context.get(), &attr)));
  }
}

TEST_F(XrcTest, AnSrqKeepsItsCqBusy) {
  SrqPtr srq(create_srq());
  ASSERT_NE(srq, nullptr);
  EXPECT_EQ(ibv_destroy_cq(cq.get()), EBUSY);
}

TEST_F(XrcTest, AnInitiatorIsNoReceiverAndATargetNoSender) {
  QpPtr initiator(create_initiator()), target(create_target(domain.get()));
  ASSERT_NE(initiator, nullptr);
  ASSERT_NE(target, nullptr);
  EXPECT_EQ(initiator->qp_type, IBV_QPT_XRC_SEND);
  EXPECT_EQ(target->qp_type, IBV_QPT_XRC_RECV);
  Link link;
  ibv_qp_attr attr = init_attr(link);
  ASSERT_EQ(ibv_modify_qp(initiator.get(), &attr, init_mask()), 0);
  ibv_recv_wr wr{}, *bad = nullptr;
  EXPECT_EQ(ibv_post_recv(initiator.get(), &wr, &bad), EINVAL);
}

TEST_F(XrcTest, ATargetNeedsADomain) { EXPECT_NULL_ERRNO(EINVAL, QpPtr(create_target(nullptr))); }

TEST_F(XrcTest, EachKindNeedsTheAttributesOfItsHalfAndIgnoresTheOthers) {
  QpPtr initiator(create_initiator()), target(create_target(domain.get()));
  Link link;
  Address peer{gid_at(context.get(), gid_index(context.get())), target->qp_num, 1, 0, 0, 0, 0};
  ibv_qp_attr attr = init_attr(link);
  ASSERT_EQ(ibv_modify_qp(initiator.get(), &attr, init_mask()), 0);
  ASSERT_EQ(ibv_modify_qp(target.get(), &attr, init_mask()), 0);
  attr = rtr_attr(peer, link, gid_index(context.get()), active_mtu(context.get()));
  EXPECT_EQ(ibv_modify_qp(initiator.get(), &attr, rtr_mask(IBV_QPT_RC)), 0);
  attr.dest_qp_num = initiator->qp_num;
  EXPECT_EQ(ibv_modify_qp(target.get(), &attr, rtr_mask(IBV_QPT_XRC_SEND)), EINVAL);
  EXPECT_EQ(ibv_modify_qp(target.get(), &attr, rtr_mask(IBV_QPT_XRC_RECV)), 0);
  attr = rts_attr(1, link);
  EXPECT_EQ(ibv_modify_qp(initiator.get(), &attr, rts_mask(IBV_QPT_XRC_RECV)), EINVAL);
  EXPECT_EQ(ibv_modify_qp(initiator.get(), &attr, rts_mask(IBV_QPT_XRC_SEND)), 0);
  EXPECT_EQ(ibv_modify_qp(target.get(), &attr, rts_mask(IBV_QPT_RC)), 0);
}

TEST_F(XrcTest, AnOpenedTargetIsTheSameQueuePair) {
  QpPtr target(create_target(domain.get()));
  QpPtr handle(open_target(target->qp_num, domain.get()));
  ASSERT_NE(handle, nullptr);
  EXPECT_EQ(handle->qp_num, target->qp_num);
  EXPECT_EQ(handle->qp_context, this);
  Link link;
  ibv_qp_attr attr = init_attr(link);
  ASSERT_EQ(ibv_modify_qp(handle.get(), &attr, init_mask()), 0);
  ibv_qp_init_attr init{};
  ASSERT_EQ(ibv_query_qp(target.get(), &attr, IBV_QP_STATE, &init), 0);
  EXPECT_EQ(attr.qp_state, IBV_QPS_INIT);
}

TEST_F(XrcTest, ATargetLivesUntilItsLastHandleGoes) {
  QpPtr target(create_target(domain.get()));
  uint32_t number = target->qp_num;
  QpPtr handle(open_target(number, domain.get()));
  target.reset();
  QpPtr another(open_target(number, domain.get()));
  EXPECT_NE(another, nullptr);
  handle.reset();
  another.reset();
  EXPECT_NULL_ERRNO(EINVAL, QpPtr(open_target(number, domain.get())));
}

TEST_F(XrcTest, OnlyATargetOfTheDomainIsOpened) {
  QpPtr target(create_target(domain.get())), initiator(create_initiator());
  XrcdPtr other(open(-1, O_CREAT));
  EXPECT_NULL_ERRNO(EINVAL, QpPtr(open_target(target->qp_num, other.get())));
  EXPECT_NULL_ERRNO(EINVAL, QpPtr(open_target(initiator->qp_num, domain.get())));
  EXPECT_NULL_ERRNO(EINVAL, QpPtr(open_target(target->qp_num, domain.get(), IBV_QPT_RC)));
}

}  // namespace
}  // namespace vt
