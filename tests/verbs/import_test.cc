// SPDX-License-Identifier: BSD-2-Clause
// ibv_import_device and what is imported through it.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/missing.h"
#include "support/pair.h"

namespace vt {
namespace {

class ImportTest : public PdTest {
 protected:
  ContextPtr twin;

  void SetUp() override {
    PdTest::SetUp();
    if (IsSkipped()) return;
    twin = import_of(context->cmd_fd);
    if (!twin && (errno == EOPNOTSUPP || errno == EPROTONOSUPPORT)) SKIP_ON_OTHERS("this device cannot be imported");
    ASSERT_NE(twin, nullptr);
  }
  static ContextPtr import_of(int fd) { return ContextPtr(ibv_import_device(dup(fd))); }
};

TEST_F(ImportTest, GivesAContextOfTheSameDevice) {
  EXPECT_NE(twin.get(), context.get());
  EXPECT_EQ(twin->device, context->device);
  ibv_device_attr attr{};
  EXPECT_EQ(ibv_query_device(twin.get(), &attr), 0);
}

TEST_F(ImportTest, OutlivesTheContextItCameFrom) {
  pd.reset();
  context.reset();
  PdPtr own(ibv_alloc_pd(twin.get()));
  EXPECT_NE(own, nullptr);
}

TEST_F(ImportTest, ClosesItsDescriptor) {
  int fd = twin->cmd_fd;
  EXPECT_NE(fcntl(fd, F_GETFD), -1);
  twin.reset();
  EXPECT_EQ(fcntl(fd, F_GETFD), -1);
}

TEST_F(ImportTest, AnyOtherDescriptorIsRefused) {
  int fd = memfd_create("x", 0);
  EXPECT_EQ(ibv_import_device(fd), nullptr);
  close(fd);
  EXPECT_EQ(ibv_import_device(-1), nullptr);
}

TEST_F(ImportTest, APdIsOneThroughBothHandles) {
  ibv_pd* other = ibv_import_pd(twin.get(), pd->handle);
  ASSERT_NE(other, nullptr);
  EXPECT_EQ(other->context, twin.get());
  EXPECT_EQ(other->handle, pd->handle);
  uint8_t memory[64];
  MrPtr mr(ibv_reg_mr(other, memory, sizeof memory, IBV_ACCESS_LOCAL_WRITE));
  ASSERT_NE(mr, nullptr);
  EXPECT_EQ(ibv_dealloc_pd(pd.get()), EBUSY);
  mr.reset();
  ibv_unimport_pd(other);
  EXPECT_EQ(ibv_dealloc_pd(pd.release()), 0);
}

TEST_F(ImportTest, AnUnknownHandleIsRefused) {
  EXPECT_EQ(ibv_import_pd(twin.get(), pd->handle + 1000), nullptr);
  EXPECT_EQ(ibv_import_mr(pd.get(), 1000), nullptr);
}

TEST_F(ImportTest, AnMrIsOneThroughBothHandles) {
  uint8_t memory[64];
  MrPtr mr(ibv_reg_mr(pd.get(), memory, sizeof memory, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE));
  ibv_pd* other = ibv_import_pd(twin.get(), pd->handle);
  ibv_mr* same = ibv_import_mr(other, mr->handle);
  ASSERT_NE(same, nullptr);
  EXPECT_EQ(same->addr, nullptr);
  EXPECT_EQ(same->length, mr->length);
  EXPECT_EQ(same->lkey, mr->lkey);
  EXPECT_EQ(same->rkey, mr->rkey);
  ibv_unimport_mr(same);
  ibv_unimport_pd(other);
}

TEST_F(ImportTest, DeviceMemoryIsOneThroughBothHandles) {
  ibv_alloc_dm_attr attr{.length = 64, .log_align_req = 0, .comp_mask = 0};
  DmPtr dm(ibv_alloc_dm(context.get(), &attr));
  if (!dm) SKIP_ON_OTHERS("no device memory");
  ibv_dm* same = ibv_import_dm(twin.get(), dm->handle);
  ASSERT_NE(same, nullptr);
  uint32_t in = 0xabcdef, out = 0;
  ASSERT_EQ(ibv_memcpy_to_dm(dm.get(), 8, &in, 4), 0);
  ASSERT_EQ(ibv_memcpy_from_dm(&out, same, 8, 4), 0);
  EXPECT_EQ(in, out);
  ibv_unimport_dm(same);
}

}  // namespace
}  // namespace vt
