// SPDX-License-Identifier: BSD-2-Clause
// Thread domains and parent domains: ibv_alloc_td(3), ibv_alloc_parent_domain(3).
#include <array>
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

#include "support/fixture.h"
#include "support/missing.h"

namespace vt {
namespace {

using TdPtr = std::unique_ptr<ibv_td, VerbsDeleter<ibv_dealloc_td>>;

class ParentDomainTest : public PdTest {
 protected:
  void SetUp() override {
    PdTest::SetUp();
    if (IsSkipped()) return;
    ibv_td_init_attr attr{};
    errno = 0;
    td.reset(ibv_alloc_td(context.get(), &attr));
    if (!td && errno == EOPNOTSUPP) SKIP_ON_OTHERS("the device has no thread domains");
    ASSERT_NE(td, nullptr);
  }

  ibv_pd* parent(ibv_pd* of, ibv_td* with) {
    ibv_parent_domain_init_attr attr{};
    attr.pd = of;
    attr.td = with;
    return ibv_alloc_parent_domain(context.get(), &attr);
  }

  TdPtr td;
};

TEST_F(ParentDomainTest, HoldsItsPdAndItsThreadDomain) {
  ibv_pd* plain = ibv_alloc_pd(context.get());
  ibv_pd* domain = parent(plain, td.get());
  ASSERT_NE(domain, nullptr);
  EXPECT_EQ(domain->context, context.get());
  EXPECT_EQ(ibv_dealloc_pd(plain), EBUSY);
  EXPECT_EQ(ibv_dealloc_td(td.get()), EBUSY);
  EXPECT_EQ(ibv_dealloc_pd(domain), 0);
  EXPECT_EQ(ibv_dealloc_pd(plain), 0);
  EXPECT_EQ(ibv_dealloc_td(td.release()), 0);
}

TEST_F(ParentDomainTest, NeedsNoThreadDomain) {
  PdPtr domain(parent(pd.get(), nullptr));
  EXPECT_NE(domain, nullptr);
}

TEST_F(ParentDomainTest, IsBusyWhileItIsUsed) {
  ibv_pd* domain = parent(pd.get(), td.get());
  ASSERT_NE(domain, nullptr);
  std::array<char, 64> memory{};
  ibv_mr* mr = ibv_reg_mr(domain, memory.data(), memory.size(), IBV_ACCESS_LOCAL_WRITE);
  ASSERT_NE(mr, nullptr);
  EXPECT_EQ(ibv_dealloc_pd(domain), EBUSY);
  EXPECT_EQ(ibv_dereg_mr(mr), 0);
  EXPECT_EQ(ibv_dealloc_pd(domain), 0);
}

TEST_F(ParentDomainTest, NeedsAPd) { EXPECT_NULL_ERRNO(EINVAL, parent(nullptr, td.get())); }

TEST_F(ParentDomainTest, AnUnknownMaskBitIsRefused) {
  ibv_parent_domain_init_attr attr{};
  attr.pd = pd.get();
  attr.comp_mask = 1u << 31;
  EXPECT_NULL_ERRNO(EINVAL, ibv_alloc_parent_domain(context.get(), &attr));
  ibv_td_init_attr thread{.comp_mask = 1};
  EXPECT_NULL_ERRNO(EINVAL, ibv_alloc_td(context.get(), &thread));
}

TEST_F(ParentDomainTest, ACqTakesAParentDomainOnly) {
  ibv_cq_init_attr_ex attr{};
  attr.cqe = 16;
  attr.comp_mask = IBV_CQ_INIT_ATTR_MASK_PD;
  attr.parent_domain = pd.get();
  EXPECT_NULL_ERRNO(EINVAL, ibv_create_cq_ex(context.get(), &attr));
}

/// Counts what is asked of it, and gives memory that is all zeros.
struct Heap {
  std::map<void*, uint64_t> live;
  int asked = 0;
  bool answer_default = false;
  bool exhausted = false;
  ibv_pd* pd = nullptr;

  static void* alloc(ibv_pd* pd, void* self, size_t size, size_t alignment, uint64_t type) {
    auto& heap = *static_cast<Heap*>(self);
    EXPECT_EQ(pd, heap.pd);
    ++heap.asked;
    if (heap.exhausted) return nullptr;
    if (heap.answer_default) return IBV_ALLOCATOR_USE_DEFAULT;
    void* memory = nullptr;
    if (posix_memalign(&memory, alignment, size) != 0) return nullptr;
    std::memset(memory, 0, size);
    heap.live[memory] = type;
    return memory;
  }
  static void free(ibv_pd* pd, void* self, void* memory, uint64_t type) {
    auto& heap = *static_cast<Heap*>(self);
    EXPECT_EQ(pd, heap.pd);
    auto found = heap.live.find(memory);
    ASSERT_NE(found, heap.live.end()) << "given back what was not taken";
    EXPECT_EQ(found->second, type);
    heap.live.erase(found);
    std::free(memory);
  }
};

class AllocatorTest : public ParentDomainTest {
 protected:
  void SetUp() override {
    ParentDomainTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    ibv_parent_domain_init_attr attr{};
    attr.pd = pd.get();
    attr.comp_mask = IBV_PARENT_DOMAIN_INIT_ATTR_ALLOCATORS | IBV_PARENT_DOMAIN_INIT_ATTR_PD_CONTEXT;
    attr.alloc = Heap::alloc;
    attr.free = Heap::free;
    attr.pd_context = &heap;
    domain.reset(ibv_alloc_parent_domain(context.get(), &attr));
    ASSERT_NE(domain, nullptr);
    heap.pd = domain.get();
    cq.reset(ibv_create_cq(context.get(), 16, nullptr, nullptr, 0));
  }

  ibv_cq_ex* make_cq() {
    ibv_cq_init_attr_ex attr{};
    attr.cqe = 16;
    attr.comp_mask = IBV_CQ_INIT_ATTR_MASK_PD;
    attr.parent_domain = domain.get();
    return ibv_create_cq_ex(context.get(), &attr);
  }

  ibv_qp* make_qp() {
    ibv_qp_init_attr attr{};
    attr.send_cq = attr.recv_cq = cq.get();
    attr.cap = {16, 16, 2, 2, 64};
    attr.qp_type = IBV_QPT_RC;
    return ibv_create_qp(domain.get(), &attr);
  }

  Heap heap;
  PdPtr domain;
  CqPtr cq;
};

TEST_F(AllocatorTest, GivesTheMemoryOfQueuesAndTakesItBack) {
  ibv_qp* qp = make_qp();
  ASSERT_NE(qp, nullptr);
  EXPECT_EQ(qp->pd, domain.get());
  const size_t of_qp = heap.live.size();
  EXPECT_GE(of_qp, 1u);
  ibv_cq_ex* domain_cq = make_cq();
  ASSERT_NE(domain_cq, nullptr);
  EXPECT_GT(heap.live.size(), of_qp);
  ibv_srq_init_attr srq_attr{.srq_context = nullptr, .attr = {16, 1, 0}};
  const size_t before_srq = heap.live.size();
  ibv_srq* srq = ibv_create_srq(domain.get(), &srq_attr);
  ASSERT_NE(srq, nullptr);
  EXPECT_GT(heap.live.size(), before_srq);
  EXPECT_EQ(ibv_dealloc_pd(domain.get()), EBUSY);
  EXPECT_EQ(ibv_destroy_srq(srq), 0);
  EXPECT_EQ(ibv_destroy_cq(ibv_cq_ex_to_cq(domain_cq)), 0);
  EXPECT_EQ(ibv_destroy_qp(qp), 0);
  EXPECT_TRUE(heap.live.empty());
}

TEST_F(AllocatorTest, MayLeaveItToTheLibrary) {
  heap.answer_default = true;
  ibv_qp* qp = make_qp();
  ASSERT_NE(qp, nullptr);
  EXPECT_GE(heap.asked, 1);
  heap.answer_default = false;
  EXPECT_EQ(ibv_destroy_qp(qp), 0);
}

TEST_F(AllocatorTest, WithoutMemoryThereIsNoQueue) {
  heap.exhausted = true;
  EXPECT_NULL_ERRNO(ENOMEM, make_qp());
  EXPECT_NULL_ERRNO(ENOMEM, make_cq());
}

TEST_F(AllocatorTest, AResizedCqMovesWithinIt) {
  ibv_cq_ex* domain_cq = make_cq();
  ASSERT_NE(domain_cq, nullptr);
  const size_t before = heap.live.size();
  const int asked = heap.asked;
  EXPECT_EQ(ibv_resize_cq(ibv_cq_ex_to_cq(domain_cq), 1000), 0);
  EXPECT_GT(heap.asked, asked);
  EXPECT_EQ(heap.live.size(), before);
  EXPECT_EQ(ibv_destroy_cq(ibv_cq_ex_to_cq(domain_cq)), 0);
  EXPECT_TRUE(heap.live.empty());
}

TEST_F(AllocatorTest, NeedsBothFunctions) {
  ibv_parent_domain_init_attr attr{};
  attr.pd = pd.get();
  attr.comp_mask = IBV_PARENT_DOMAIN_INIT_ATTR_ALLOCATORS;
  attr.alloc = Heap::alloc;
  EXPECT_NULL_ERRNO(EINVAL, ibv_alloc_parent_domain(context.get(), &attr));
}

/// Memory and queue pairs of a parent domain and of its PD belong together; those of another PD do not.
TEST_F(ParentDomainTest, SharesTheProtectionOfItsPd) {
  PdPtr domain(parent(pd.get(), td.get()));
  ASSERT_NE(domain, nullptr);
  std::array<char, 64> memory{};
  MrPtr in_parent(ibv_reg_mr(domain.get(), memory.data(), memory.size(), IBV_ACCESS_LOCAL_WRITE));
  MrPtr in_pd(ibv_reg_mr(pd.get(), memory.data(), memory.size(), IBV_ACCESS_LOCAL_WRITE));
  ASSERT_NE(in_parent, nullptr);
  ASSERT_NE(in_pd, nullptr);
  CqPtr cq(ibv_create_cq(context.get(), 16, nullptr, nullptr, 0));
  ibv_qp_init_attr attr{};
  attr.send_cq = attr.recv_cq = cq.get();
  attr.cap = {4, 4, 1, 1, 0};
  attr.qp_type = IBV_QPT_RC;
  attr.sq_sig_all = 1;
  QpPtr qp(ibv_create_qp(domain.get(), &attr));
  ASSERT_NE(qp, nullptr);
  ibv_qp_attr to{};
  to.qp_state = IBV_QPS_INIT;
  to.port_num = kPort;
  to.qp_access_flags = IBV_ACCESS_LOCAL_WRITE;
  ASSERT_EQ(ibv_modify_qp(qp.get(), &to, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS), 0);
  to.qp_state = IBV_QPS_RTR;
  to.path_mtu = active_mtu(context.get());
  to.dest_qp_num = qp->qp_num;
  to.max_dest_rd_atomic = 1;
  to.min_rnr_timer = 12;
  to.ah_attr.is_global = 1;
  to.ah_attr.port_num = kPort;
  to.ah_attr.grh.hop_limit = 1;
  to.ah_attr.grh.sgid_index = static_cast<uint8_t>(gid_index(context.get()));
  to.ah_attr.grh.dgid = gid_at(context.get(), gid_index(context.get()));
  ASSERT_EQ(ibv_modify_qp(qp.get(), &to,
                          IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                              IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER),
            0);
  to.qp_state = IBV_QPS_RTS;
  to.timeout = 14;
  to.retry_cnt = to.rnr_retry = 6;
  to.max_rd_atomic = 1;
  ASSERT_EQ(ibv_modify_qp(qp.get(), &to,
                          IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
                              IBV_QP_MAX_QP_RD_ATOMIC),
            0);
  ibv_sge target{reinterpret_cast<uintptr_t>(memory.data()), 32, in_parent->lkey};
  ibv_recv_wr receive{.wr_id = 1, .next = nullptr, .sg_list = &target, .num_sge = 1};
  ibv_recv_wr* bad_receive = nullptr;
  ASSERT_EQ(ibv_post_recv(qp.get(), &receive, &bad_receive), 0);
  ibv_sge source{reinterpret_cast<uintptr_t>(memory.data() + 32), 32, in_pd->lkey};
  ibv_send_wr send{};
  send.sg_list = &source;
  send.num_sge = 1;
  send.opcode = IBV_WR_SEND;
  ibv_send_wr* bad_send = nullptr;
  ASSERT_EQ(ibv_post_send(qp.get(), &send, &bad_send), 0);
  for (int done = 0; done < 2;) {
    ibv_wc wc;
    const int count = ibv_poll_cq(cq.get(), 1, &wc);
    ASSERT_GE(count, 0);
    if (count == 0) continue;
    ASSERT_EQ(wc.status, IBV_WC_SUCCESS) << ibv_wc_status_str(wc.status);
    ++done;
  }
}

}  // namespace
}  // namespace vt
