// SPDX-License-Identifier: BSD-2-Clause
// Registration, device memory, windows, prefetching.
#include <sys/mman.h>

#include "exp_support.h"
#include "support/pattern.h"

namespace vt {
namespace {

class ExpMemoryTest : public ExpPairTest {
 protected:
  MrPtr reg(void* addr, size_t length, uint64_t access, uint32_t comp_mask = 0, ibv_exp_dm* dm = nullptr) {
    ibv_exp_reg_mr_in in{};
    in.pd = pd.get(), in.addr = addr, in.length = length, in.exp_access = access, in.comp_mask = comp_mask, in.dm = dm;
    return MrPtr(ibv_exp_reg_mr(&in));
  }
  /// The peer's first bytes, read into memory that this key names.
  ibv_wc_status read_into(uint64_t address, uint32_t length, uint32_t lkey) {
    ibv_sge at{address, length, lkey};
    ibv_exp_send_wr wr = exp_wr(IBV_EXP_WR_RDMA_READ, 3, &at);
    wr.wr.rdma.remote_addr = there.buffer;
    wr.wr.rdma.rkey = there.rkey;
    EXPECT_EQ(post(wr), 0);
    auto wcs = wait_exp(cq.get());
    return wcs.size() == 1 ? wcs[0].status : IBV_WC_GENERAL_ERR;
  }
  static constexpr uint64_t kLocal = IBV_EXP_ACCESS_LOCAL_WRITE;
};

TEST_F(ExpMemoryTest, ARegionMayBringItsMemory) {
  MrPtr own = reg(nullptr, 100000, kLocal | IBV_EXP_ACCESS_ALLOCATE_MR);
  ASSERT_NE(own, nullptr);
  ASSERT_NE(own->addr, nullptr);
  peer->fill(0, 60000, 4);
  ASSERT_EQ(read_into(reinterpret_cast<uint64_t>(own->addr), 60000, own->lkey), IBV_WC_SUCCESS);
  EXPECT_EQ(find_mismatch(std::span(static_cast<const uint8_t*>(own->addr), 60000), 4), -1);
  void* at = own->addr;
  own.reset();
  unsigned char present;
  EXPECT_EQ(mincore(reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(at) & ~uintptr_t{4095}), 4096, &present), -1)
      << "it is gone with the region";
}

TEST_F(ExpMemoryTest, OnDemandAndPhysicalRegionsCoverEverything) {
  peer->fill(0, 100, 5);
  for (uint64_t access : {uint64_t{IBV_EXP_ACCESS_ON_DEMAND}, uint64_t{IBV_EXP_ACCESS_PHYSICAL_ADDR}}) {
    MrPtr all = reg(nullptr, access == IBV_EXP_ACCESS_ON_DEMAND ? IBV_EXP_IMPLICIT_MR_SIZE : 0, kLocal | access);
    ASSERT_NE(all, nullptr);
    Bytes later(100);
    ASSERT_EQ(read_into(reinterpret_cast<uint64_t>(later.data()), 100, all->lkey), IBV_WC_SUCCESS);
    EXPECT_EQ(find_mismatch(std::span<const uint8_t>(later), 5), -1);
    ibv_exp_prefetch_attr attr{};
    attr.flags = IBV_EXP_PREFETCH_WRITE_ACCESS, attr.addr = later.data(), attr.length = later.size();
    EXPECT_EQ(ibv_exp_prefetch_mr(all.get(), &attr), 0);
    attr.comp_mask = IBV_EXP_PREFETCH_MR_RESERVED;
    EXPECT_EQ(ibv_exp_prefetch_mr(all.get(), &attr), EINVAL);
  }
}

TEST_F(ExpMemoryTest, WhatIsNotKnownIsRefused) {
  EXPECT_NULL_ERRNO(EINVAL, reg(buffer.data(), 64, kLocal, IBV_EXP_REG_MR_RESERVED));
  EXPECT_NULL_ERRNO(EINVAL, reg(buffer.data(), 64, uint64_t{IBV_EXP_ACCESS_RESERVED}));
  EXPECT_NULL_ERRNO(EINVAL, reg(buffer.data(), 64, uint64_t{IBV_EXP_ACCESS_REMOTE_WRITE}));
  EXPECT_NULL_ERRNO(EOPNOTSUPP, reg(buffer.data(), 64, kLocal | IBV_EXP_ACCESS_SHARED_MR_USER_READ));
}

TEST_F(ExpMemoryTest, DeviceMemoryIsCopiedAndReached) {
  ibv_exp_alloc_dm_attr attr{};
  attr.length = 4096;
  ExpDmPtr dm(ibv_exp_alloc_dm(context.get(), &attr));
  ASSERT_NE(dm, nullptr);
  MrPtr on_chip = reg(nullptr, 4096, kLocal | IBV_EXP_ACCESS_REMOTE_WRITE, IBV_EXP_REG_MR_DM, dm.get());
  ASSERT_NE(on_chip, nullptr);
  EXPECT_EQ(ibv_exp_free_dm(dm.get()), EBUSY);
  peer->fill(0, 400, 6);
  ASSERT_EQ(read_into(80, 400, on_chip->lkey), IBV_WC_SUCCESS);
  Bytes seen(400);
  ibv_exp_memcpy_dm_attr copy{};
  copy.memcpy_dir = IBV_EXP_DM_CPY_TO_HOST, copy.host_addr = seen.data(), copy.dm_offset = 80, copy.length = 400;
  ASSERT_EQ(ibv_exp_memcpy_dm(dm.get(), &copy), 0);
  EXPECT_EQ(find_mismatch(std::span<const uint8_t>(seen), 6), -1);
  copy.memcpy_dir = IBV_EXP_DM_CPY_TO_DEVICE, copy.dm_offset = 4000;
  EXPECT_EQ(ibv_exp_memcpy_dm(dm.get(), &copy), EINVAL) << "beyond its end";
  copy.dm_offset = 0;
  ASSERT_EQ(ibv_exp_memcpy_dm(dm.get(), &copy), 0);
  on_chip.reset();
  EXPECT_EQ(ibv_exp_free_dm(dm.release()), 0);
}

TEST_F(ExpMemoryTest, AWindowIsBoundByCallAndByWorkRequest) {
  MrPtr base = reg(buffer.data(), 4096, kLocal | IBV_EXP_ACCESS_MW_BIND);
  ASSERT_NE(base, nullptr);
  MwPtr first(ibv_alloc_mw(pd.get(), IBV_MW_TYPE_1)), second(ibv_alloc_mw(pd.get(), IBV_MW_TYPE_2));
  const ibv_exp_mw_bind_info info{base.get(), reinterpret_cast<uint64_t>(buffer.data()), 64,
                                  IBV_EXP_ACCESS_REMOTE_READ};
  ibv_exp_mw_bind bind{};
  bind.qp = qp.get(), bind.mw = first.get(), bind.wr_id = 4, bind.exp_send_flags = IBV_EXP_SEND_SIGNALED;
  bind.bind_info = info;
  ASSERT_EQ(ibv_exp_bind_mw(&bind), 0);
  auto wcs = wait_exp(cq.get());
  ASSERT_EXP_DONE(wcs, 4);
  EXPECT_EQ(wcs[0].exp_opcode, IBV_EXP_WC_BIND_MW);
  ibv_exp_send_wr wr = exp_wr(IBV_EXP_WR_BIND_MW, 5, nullptr);
  wr.bind_mw.mw = second.get(), wr.bind_mw.rkey = ibv_inc_rkey(second->rkey), wr.bind_mw.bind_info = info;
  ASSERT_EQ(post(wr), 0);
  ASSERT_EXP_DONE(wait_exp(cq.get()), 5);
  fill_pattern(std::span(buffer).subspan(0, 64), 8);
  for (uint32_t rkey : {first->rkey, second->rkey}) {
    ASSERT_POSTED(peer->post_send(read_wr(1, {there.sge(512, 64)}, reinterpret_cast<uint64_t>(buffer.data()), rkey)));
    ASSERT_DONE(peer->wait_send(), 1);
    EXPECT_EQ(peer->mismatch(512, 64, 8), -1);
  }
  second.reset();
  first.reset();
}

}  // namespace
}  // namespace vt
