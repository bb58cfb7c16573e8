// SPDX-License-Identifier: BSD-2-Clause
// Atomic write and flush (memory placement extensions). `a` posts with the ibv_wr_* interface; `b`, in another process
// in half of the tests, has the memory.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "support/pair.h"
#include "support/pattern.h"

namespace vt {
namespace {

// Of newer headers.
constexpr int kAccessFlushGlobal = 1 << 8, kAccessFlushPersistent = 1 << 9;
constexpr uint64_t kWithFlush = 1 << 11;
constexpr uint8_t kGlobal = 1, kPersistent = 2, kRange = 0, kRegion = 1;
constexpr int kWcFlush = 8;
struct NewerQpEx {
  ibv_qp_ex base;
  void (*wr_flush)(ibv_qp_ex* qp, uint32_t rkey, uint64_t address, size_t length, uint8_t type, uint8_t level);
};

class PlacementTest : public PairTest {
 protected:
  QpPtr qp;
  ibv_qp_ex* ex = nullptr;
  ibv_cq* cq = nullptr;
  Address at_a, at_b;

  PlacementTest() { link.qp_access |= kAccessFlushGlobal | kAccessFlushPersistent; }
  void SetUp() override {
    PairTest::SetUp();
    if (IsSkipped()) return;
    if (!device_is_ours()) GTEST_SKIP() << "needs a libibverbs that has ibv_wr_flush";
    make();
    cq = a().local().send_cq();
    ibv_qp_init_attr_ex attr{};
    attr.send_cq = attr.recv_cq = cq;
    attr.cap = {64, 64, 4, 4, 64};
    attr.qp_type = IBV_QPT_RC;
    attr.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
    attr.pd = a().local().pd();
    attr.send_ops_flags = IBV_QP_EX_WITH_RDMA_WRITE | IBV_QP_EX_WITH_ATOMIC_WRITE | kWithFlush;
    qp.reset(ibv_create_qp_ex(a().local().context(), &attr));
    ASSERT_NE(qp, nullptr);
    ex = ibv_qp_to_qp_ex(qp.get());
    at_a = a().address();
    at_a.qpn = qp->qp_num;
    at_b = b().address();
    ASSERT_EQ(connect_own(), 0);
    ASSERT_EQ(b().connect(at_a, link), 0);
  }
  void TearDown() override {
    qp.reset();
    PairTest::TearDown();
  }
  int connect_own() {
    ibv_context* context = a().local().context();
    ibv_qp_attr attr = init_attr(link);
    if (int rc = ibv_modify_qp(qp.get(), &attr, init_mask())) return rc;
    attr = rtr_attr(at_b, link, gid_index(context), active_mtu(context));
    if (int rc = ibv_modify_qp(qp.get(), &attr, rtr_mask(IBV_QPT_RC))) return rc;
    attr = rts_attr(at_a.psn, link);
    return ibv_modify_qp(qp.get(), &attr, rts_mask(IBV_QPT_RC));
  }
  void next(uint64_t id) {
    ex->wr_id = id;
    ex->wr_flags = IBV_SEND_SIGNALED;
  }
  void flush(uint32_t rkey, uint64_t address, size_t length, uint8_t type, uint8_t level = kRange) {
    reinterpret_cast<NewerQpEx*>(ex)->wr_flush(ex, rkey, address, length, type, level);
  }
  std::vector<ibv_wc> post_flush(uint32_t rkey, uint64_t address, size_t length, uint8_t type, uint8_t level = kRange) {
    ibv_wr_start(ex);
    next(9);
    flush(rkey, address, length, type, level);
    EXPECT_EQ(ibv_wr_complete(ex), 0);
    return wait_cq(cq, 1);
  }
  std::vector<ibv_wc> post_atomic_write(uint32_t rkey, uint64_t address, uint64_t value) {
    ibv_wr_start(ex);
    next(3);
    ibv_wr_atomic_write(ex, rkey, address, &value);
    EXPECT_EQ(ibv_wr_complete(ex), 0);
    return wait_cq(cq, 1);
  }
};

TEST_P(PlacementTest, AtomicWriteStoresEightBytes) {
  auto wcs = post_atomic_write(at_b.rkey, at_b.buffer + 64, 0x1122334455667788);
  ASSERT_DONE(wcs, 3);
  EXPECT_EQ(wcs[0].opcode, IBV_WC_ATOMIC_WRITE);
  EXPECT_EQ(b().load(64, 8), (Bytes{0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11}));
}

TEST_P(PlacementTest, AtomicWriteMustBeAligned) {
  EXPECT_STATUS(post_atomic_write(at_b.rkey, at_b.buffer + 4, 1), 3, IBV_WC_REM_INV_REQ_ERR);
}

TEST_P(PlacementTest, AtomicWriteNeedsWriteAccess) {
  Region region = b().reg(0, 64, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ);
  EXPECT_STATUS(post_atomic_write(region.rkey, region.addr, 1), 3, IBV_WC_REM_ACCESS_ERR);
}

TEST_P(PlacementTest, FlushComesBehindTheWrites) {
  Region region = b().reg(0, 4096, kAllAccess | kAccessFlushGlobal);
  ASSERT_EQ(region.error, 0);
  a().fill(0, 1000, 5);
  ibv_wr_start(ex);
  next(1);
  ibv_wr_rdma_write(ex, region.rkey, region.addr);
  ibv_wr_set_sge(ex, at_a.lkey, at_a.buffer, 1000);
  next(2);
  flush(region.rkey, region.addr, 1000, kGlobal);
  ASSERT_EQ(ibv_wr_complete(ex), 0);
  auto wcs = wait_cq(cq, 2);
  ASSERT_TRUE(completed_all(wcs, {1, 2}, IBV_WC_SUCCESS));
  EXPECT_EQ(int(wcs[1].opcode), kWcFlush);
  EXPECT_EQ(b().mismatch(0, 1000, 5), -1);
}

TEST_P(PlacementTest, FlushOfAWholeRegionLooksAtNoRange) {
  Region region = b().reg(0, 4096, kAllAccess | kAccessFlushGlobal);
  EXPECT_DONE(post_flush(region.rkey, region.addr, 0, kGlobal, kRegion), 9);
}

TEST_P(PlacementTest, FlushIsCheckedLikeAnyAccess) {
  Region region = b().reg(0, 4096, kAllAccess | kAccessFlushGlobal);
  EXPECT_STATUS(post_flush(region.rkey, region.addr, 4097, kGlobal), 9, IBV_WC_REM_ACCESS_ERR);
}

TEST_P(PlacementTest, FlushNeedsTheRegionsPermission) {
  EXPECT_STATUS(post_flush(at_b.rkey, at_b.buffer, 8, kGlobal), 9, IBV_WC_REM_ACCESS_ERR);
}

TEST_P(PlacementTest, AFlushOfNoKindIsRefused) {
  ibv_wr_start(ex);
  next(1);
  flush(at_b.rkey, at_b.buffer, 8, 0);
  EXPECT_EQ(ibv_wr_complete(ex), EINVAL);
}

TEST_P(PlacementTest, OnlyMemoryOfAFileIsPersistent) {
  Region region = b().reg(0, 4096, kAllAccess | kAccessFlushPersistent);
  EXPECT_EQ(region.error, EINVAL);
}

INSTANTIATE_TEST_SUITE_P(Both, PlacementTest, kRc, param_name);

// Both ends here, so that the file is at hand: `b` maps it.
class PersistenceTest : public PlacementTest {
 protected:
  static constexpr size_t kSize = 1 << 20;
  std::string path;
  uint8_t* map = nullptr;
  MrPtr mr;

  void SetUp() override {
    PlacementTest::SetUp();
    if (IsSkipped()) return;
    path = testing::TempDir() + "verbatim-persistence-" + std::to_string(getpid());
    int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(ftruncate(fd, kSize), 0);
    map = static_cast<uint8_t*>(mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    close(fd);
    ASSERT_NE(map, MAP_FAILED);
    mr.reset(ibv_reg_mr(b().local().pd(), map, kSize, kAllAccess | kAccessFlushGlobal | kAccessFlushPersistent));
    ASSERT_NE(mr, nullptr);
  }
  void TearDown() override {
    mr.reset();
    if (map) munmap(map, kSize);
    if (!path.empty()) unlink(path.c_str());
    PlacementTest::TearDown();
  }
};

TEST_P(PersistenceTest, WhatWasFlushedIsInTheFile) {
  a().fill(0, 60000, 5);
  ibv_wr_start(ex);
  next(1);
  ibv_wr_rdma_write(ex, mr->rkey, reinterpret_cast<uint64_t>(map) + 100);
  ibv_wr_set_sge(ex, at_a.lkey, at_a.buffer, 60000);
  next(2);
  flush(mr->rkey, reinterpret_cast<uint64_t>(map) + 100, 60000, kGlobal | kPersistent);
  next(3);
  uint64_t flag = 1;
  ibv_wr_atomic_write(ex, mr->rkey, reinterpret_cast<uint64_t>(map), &flag);
  next(4);
  flush(mr->rkey, reinterpret_cast<uint64_t>(map), 8, kPersistent, kRegion);
  ASSERT_EQ(ibv_wr_complete(ex), 0);
  ASSERT_TRUE(completed_all(wait_cq(cq, 4), ids_from(1, 4), IBV_WC_SUCCESS));
  std::vector<uint8_t> seen(60100);
  int fd = open(path.c_str(), O_RDONLY);
  ASSERT_EQ(pread(fd, seen.data(), seen.size(), 0), ssize_t(seen.size()));
  close(fd);
  EXPECT_EQ(seen[0], 1);
  EXPECT_EQ(find_mismatch(std::span<const uint8_t>(seen).subspan(100), 5), -1);
}

// The other process maps the file, and is killed when the flush is complete.
class SurvivalTest : public PlacementTest {
 protected:
  std::string path = testing::TempDir() + "verbatim-survival-" + std::to_string(getpid());

  void TearDown() override {
    unlink(path.c_str());
    PlacementTest::TearDown();
    shared_peer().reset();
  }
};

TEST_P(SurvivalTest, WhatWasFlushedOutlivesTheTarget) {
  const Region file = b().reg_file(path, 1 << 20, kAllAccess | kAccessFlushPersistent);
  ASSERT_EQ(file.error, 0);
  a().fill(0, 60000, 5);
  ibv_wr_start(ex);
  next(1);
  ibv_wr_rdma_write(ex, file.rkey, file.addr + 4000);
  ibv_wr_set_sge(ex, at_a.lkey, at_a.buffer, 60000);
  next(2);
  flush(file.rkey, file.addr + 4000, 60000, kPersistent);
  ASSERT_EQ(ibv_wr_complete(ex), 0);
  ASSERT_TRUE(completed_all(wait_cq(cq, 2), ids_from(1, 2), IBV_WC_SUCCESS));
  shared_peer()->kill_now();
  std::vector<uint8_t> seen(60000);
  int fd = open(path.c_str(), O_RDONLY);
  ASSERT_EQ(pread(fd, seen.data(), seen.size(), 4000), ssize_t(seen.size()));
  close(fd);
  EXPECT_EQ(find_mismatch(std::span<const uint8_t>(seen), 5), -1);
}

INSTANTIATE_TEST_SUITE_P(Peer, SurvivalTest, testing::Values(PairParam{Form::kTwoProcesses, IBV_QPT_RC}), param_name);

INSTANTIATE_TEST_SUITE_P(Local, PersistenceTest, testing::Values(PairParam{Form::kOneProcess, IBV_QPT_RC}), param_name);

}  // namespace
}  // namespace vt
