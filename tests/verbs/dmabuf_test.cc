// SPDX-License-Identifier: BSD-2-Clause
// Regions of DMA buffers. `a` registers them; `b` reaches them. The buffers are real ones of the kernel's, and what is
// in them is seen through a mapping of the test's own.
#include "support/dmabuf.h"
#include "support/missing.h"

#include "support/pair.h"
#include "support/pattern.h"

namespace vt {
namespace {

constexpr size_t kPage = 4096;

MrPtr reg(ibv_pd* pd, uint64_t offset, size_t length, uint64_t iova, int fd, int access = kAllAccess) {
  return MrPtr(ibv_reg_dmabuf_mr(pd, offset, length, iova, fd, access));
}

class DmaBufRefusalTest : public PdTest {
 protected:
  void SetUp() override {
    PdTest::SetUp();
    if (IsSkipped()) return;
    errno = 0;
    reg(pd.get(), 0, kPage, 0, -1);
    if (errno == EOPNOTSUPP) SKIP_ON_OTHERS("this device registers no DMA buffers");
  }
};

TEST_F(DmaBufRefusalTest, WhatIsNoDmaBufIsRefused) {
  EXPECT_NULL_ERRNO(EBADF, reg(pd.get(), 0, kPage, 0, -1));
  const int memory = memfd_create("no-dmabuf", MFD_CLOEXEC);
  ASSERT_EQ(ftruncate(memory, kPage), 0);
  EXPECT_NULL_ERRNO(EINVAL, reg(pd.get(), 0, kPage, 0, memory));
  close(memory);
}

TEST_F(DmaBufRefusalTest, WhatLiesOutsideIsRefused) {
  std::vector<DmaBuf> all = all_dmabufs(4 * kPage);
  if (all.empty()) GTEST_SKIP() << missing_exporters();
  for (const DmaBuf& each : all) {
    SCOPED_TRACE(each.exporter());
    EXPECT_NULL_ERRNO(EINVAL, reg(pd.get(), 4 * kPage, kPage, 0, each.fd()));
    EXPECT_NULL_ERRNO(EINVAL, reg(pd.get(), 2 * kPage, 3 * kPage, 0, each.fd()));
    EXPECT_NULL_ERRNO(EINVAL, reg(pd.get(), ~uint64_t{0} - kPage + 1, kPage, 0, each.fd()));
    EXPECT_NULL_ERRNO(EINVAL, reg(pd.get(), kPage, kPage, 8, each.fd()));  // another place in its page
    EXPECT_NULL_ERRNO(EINVAL, reg(pd.get(), 0, kPage, 0, each.fd(), IBV_ACCESS_REMOTE_WRITE));
    EXPECT_NE(reg(pd.get(), 2 * kPage, 2 * kPage, 0, each.fd()), nullptr);
  }
}

class DmaBufTest : public ConnectedTest {
 protected:
  static constexpr size_t kSize = 1 << 20, kOffset = 3 * kPage + 256;
  static constexpr uint64_t kIova = 0x700000000100;  // the first byte's name: the same place in a page as kOffset
  std::vector<DmaBuf> buffers;
  MrPtr mr;

  DmaBufTest() { options.buffer = 1 << 20; }
  void SetUp() override {
    ConnectedTest::SetUp();
    if (IsSkipped()) return;
    buffers = all_dmabufs(kSize);
    if (buffers.empty()) GTEST_SKIP() << missing_exporters();
    errno = 0;
    if (!reg(pd(), 0, kPage, 0, buffers[0].fd()) && errno == EOPNOTSUPP && !device_is_ours())
      GTEST_SKIP() << "this device registers no DMA buffers";
  }
  void TearDown() override {
    mr.reset();
    buffers.clear();
    ConnectedTest::TearDown();
  }
  ibv_pd* pd() { return a().local().pd(); }
  void take(const DmaBuf& buffer) {
    mr.reset();
    mr = reg(pd(), kOffset, kSize - kOffset, kIova, buffer.fd());
    ASSERT_NE(mr, nullptr) << strerror(errno);
  }
  ibv_sge sge(uint64_t offset, uint32_t size) { return {kIova + offset, size, mr->lkey}; }
  /// What the region names from `offset` on.
  static std::span<uint8_t> seen(const DmaBuf& buffer, uint64_t offset, size_t size) {
    return buffer.bytes().subspan(kOffset + offset, size);
  }
};

TEST_P(DmaBufTest, IsWrittenAndReadByAPeer) {
  for (const DmaBuf& buffer : buffers) {
    SCOPED_TRACE(buffer.exporter());
    ASSERT_NO_FATAL_FAILURE(take(buffer));
    for (uint64_t length : {64, 5000, 700000}) {
      b().fill(0, length, length);
      ASSERT_POSTED(b().post_send(write_wr(1, {at_b.sge(0, length)}, kIova + 8, mr->rkey)));
      ASSERT_DONE(b().wait_send(), 1);
      EXPECT_EQ(find_mismatch(seen(buffer, 8, length), length), -1);
      fill_pattern(seen(buffer, 8, length), length + 1);
      ASSERT_POSTED(b().post_send(read_wr(2, {at_b.sge(0, length)}, kIova + 8, mr->rkey)));
      ASSERT_DONE(b().wait_send(), 2);
      EXPECT_EQ(b().mismatch(0, length, length + 1), -1);
    }
  }
}

TEST_P(DmaBufTest, SendsAndReceives) {
  for (const DmaBuf& buffer : buffers) {
    SCOPED_TRACE(buffer.exporter());
    ASSERT_NO_FATAL_FAILURE(take(buffer));
    for (uint32_t length : {100u, 300000u}) {
      b().fill(0, length, 4);
      ASSERT_POSTED(a().post_recv(recv_wr(1, {sge(0, length)})));
      ASSERT_POSTED(b().post_send(send_wr(2, {at_b.sge(0, length)})));
      ASSERT_DONE(a().wait_recv(), 1);
      ASSERT_DONE(b().wait_send(), 2);
      EXPECT_EQ(find_mismatch(seen(buffer, 0, length), 4), -1);
      fill_pattern(seen(buffer, 400000, length), 5);
      ASSERT_POSTED(b().post_recv(recv_wr(3, {at_b.sge(400000, length)})));
      ASSERT_POSTED(a().post_send(send_wr(4, {sge(400000, length)})));
      ASSERT_DONE(b().wait_recv(), 3);
      ASSERT_DONE(a().wait_send(), 4);
      EXPECT_EQ(b().mismatch(400000, length, 5), -1);
    }
  }
}

TEST_P(DmaBufTest, WritesAndReads) {
  for (const DmaBuf& buffer : buffers) {
    SCOPED_TRACE(buffer.exporter());
    ASSERT_NO_FATAL_FAILURE(take(buffer));
    for (uint32_t length : {100u, 300000u}) {
      fill_pattern(seen(buffer, 8, length), length);
      ASSERT_POSTED(a().post_send(write_wr(1, {sge(8, length)}, at_b.buffer, at_b.rkey)));
      ASSERT_DONE(a().wait_send(), 1);
      EXPECT_EQ(b().mismatch(0, length, length), -1);
      b().fill(0, length, length + 1);
      ASSERT_POSTED(a().post_send(read_wr(2, {sge(8, length)}, at_b.buffer, at_b.rkey)));
      ASSERT_DONE(a().wait_send(), 2);
      EXPECT_EQ(find_mismatch(seen(buffer, 8, length), length + 1), -1);
    }
  }
}

TEST_P(DmaBufTest, AtomicsWorkOnIt) {
  for (const DmaBuf& buffer : buffers) {
    SCOPED_TRACE(buffer.exporter());
    ASSERT_NO_FATAL_FAILURE(take(buffer));
    std::memset(seen(buffer, 16, 8).data(), 0, 8);
    for (int i = 0; i < 5; ++i) {
      ASSERT_POSTED(b().post_send(fetch_add_wr(1, {at_b.sge(0, 8)}, kIova + 16, mr->rkey, 3)));
      ASSERT_DONE(b().wait_send(), 1);
    }
    uint64_t value;
    std::memcpy(&value, seen(buffer, 16, 8).data(), 8);
    EXPECT_EQ(value, 15u);
  }
}

TEST_P(DmaBufTest, OutlivesItsDescriptor) {
  for (DmaBuf& buffer : buffers) {
    SCOPED_TRACE(buffer.exporter());
    ASSERT_NO_FATAL_FAILURE(take(buffer));
    buffer.close_fd();
    b().fill(0, 9000, 6);
    ASSERT_POSTED(b().post_send(write_wr(1, {at_b.sge(0, 9000)}, kIova, mr->rkey)));
    ASSERT_DONE(b().wait_send(), 1);
    EXPECT_EQ(find_mismatch(seen(buffer, 0, 9000), 6), -1);
  }
}

TEST_P(DmaBufTest, BehindItsEndNothingIsReached) {
  ASSERT_NO_FATAL_FAILURE(take(buffers[0]));
  const size_t end = kSize - kOffset;
  ASSERT_POSTED(b().post_send(write_wr(1, {at_b.sge(0, 8)}, kIova + end - 4, mr->rkey)));
  EXPECT_STATUS(b().wait_send(), 1, IBV_WC_REM_ACCESS_ERR);
}

INSTANTIATE_TEST_SUITE_P(Both, DmaBufTest, kRc, param_name);

}  // namespace
}  // namespace vt
