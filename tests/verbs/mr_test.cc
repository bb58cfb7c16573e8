// SPDX-License-Identifier: BSD-2-Clause
// Registration alone; what registrations allow on the wire: remote_error_test.cc, local_error_test.cc.
#include <sys/mman.h>
#include <unistd.h>

#include <set>

#include "support/fixture.h"

namespace vt {
namespace {

class MrTest : public PdTest {
 protected:
  std::vector<uint8_t> memory = std::vector<uint8_t>(1 << 16);

  MrPtr reg(int access) { return MrPtr(ibv_reg_mr(pd.get(), memory.data(), memory.size(), access)); }
};

struct Mapping {
  size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  size_t size;
  void* at;
  Mapping(size_t pages, int protection, void* where = nullptr)
      : size(pages * page),
        at(mmap(where, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | (where ? MAP_FIXED_NOREPLACE : 0), -1, 0)) {}
  ~Mapping() { munmap(at, size); }
};

TEST_F(MrTest, RemembersWhatWasRegistered) {
  MrPtr mr = reg(IBV_ACCESS_LOCAL_WRITE);
  ASSERT_NE(mr, nullptr);
  EXPECT_EQ(mr->addr, memory.data());
  EXPECT_EQ(mr->length, memory.size());
  EXPECT_EQ(mr->pd, pd.get());
  EXPECT_EQ(mr->context, context.get());
}

TEST_F(MrTest, RemoteKeyIsNotZero) {
  MrPtr mr = reg(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ);
  ASSERT_NE(mr, nullptr);
  EXPECT_NE(mr->rkey, 0u);
}

TEST_F(MrTest, EveryLegalAccessIsAccepted) {
  for (int access :
       {0, int{IBV_ACCESS_LOCAL_WRITE}, int{IBV_ACCESS_REMOTE_READ}, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE,
        IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_ATOMIC, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_MW_BIND,
        IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC})
    EXPECT_NE(reg(access), nullptr) << access;
}

TEST_F(MrTest, OptionalAccessBitsAreIgnored) {
  MrPtr mr = reg(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_RELAXED_ORDERING);
  EXPECT_NE(mr, nullptr);
}

TEST_F(MrTest, RemoteWriteNeedsLocalWrite) {
  EXPECT_NULL_ERRNO(EINVAL, reg(IBV_ACCESS_REMOTE_WRITE));
  EXPECT_NULL_ERRNO(EINVAL, reg(IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ));
}

TEST_F(MrTest, RemoteAtomicNeedsLocalWrite) { EXPECT_NULL_ERRNO(EINVAL, reg(IBV_ACCESS_REMOTE_ATOMIC)); }

/// The lowest address that a program may map. The kernel gives none near it unasked: a hole there stays one, whatever
/// other threads map meanwhile.
void* const kLowest = reinterpret_cast<void*>(0x10000);

TEST_F(MrTest, UnmappedMemoryIsAFault) {
  EXPECT_NULL_ERRNO(EFAULT, MrPtr(ibv_reg_mr(pd.get(), kLowest, 8192, IBV_ACCESS_LOCAL_WRITE)));
}

TEST_F(MrTest, AHoleInTheMiddleIsAFault) {
  Mapping map(3, PROT_READ | PROT_WRITE, kLowest);
  ASSERT_EQ(map.at, kLowest);
  munmap(static_cast<char*>(map.at) + map.page, map.page);
  EXPECT_NULL_ERRNO(EFAULT, MrPtr(ibv_reg_mr(pd.get(), map.at, map.size, IBV_ACCESS_LOCAL_WRITE)));
}

TEST_F(MrTest, ReadOnlyMemoryCannotBeRegisteredForWriting) {
  Mapping map(1, PROT_READ);
  EXPECT_NULL_ERRNO(EFAULT, MrPtr(ibv_reg_mr(pd.get(), map.at, map.size, IBV_ACCESS_LOCAL_WRITE)));
}

TEST_F(MrTest, ReadOnlyMemoryCanBeRegisteredForReading) {
  Mapping map(1, PROT_READ);
  EXPECT_NE(MrPtr(ibv_reg_mr(pd.get(), map.at, map.size, IBV_ACCESS_REMOTE_READ)), nullptr);
}

TEST_F(MrTest, AddressesAtTheTopOfMemoryAreRefused) {
  void* top = reinterpret_cast<void*>(~uint64_t{0} - 100);
  EXPECT_NULL_ERRNO(EINVAL, MrPtr(ibv_reg_mr(pd.get(), top, 1000, IBV_ACCESS_LOCAL_WRITE)));
}

TEST_F(MrTest, ZeroLengthIsAccepted) {
  MrPtr mr(ibv_reg_mr(pd.get(), memory.data(), 0, IBV_ACCESS_LOCAL_WRITE));
  ASSERT_NE(mr, nullptr);
  EXPECT_EQ(mr->length, 0u);
}

TEST_F(MrTest, OverlappingRegionsHaveDifferentKeys) {
  std::set<uint32_t> keys;
  std::vector<MrPtr> mrs;
  for (int i = 0; i < 32; ++i) {
    mrs.push_back(reg(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ));
    ASSERT_NE(mrs.back(), nullptr);
    keys.insert(mrs.back()->rkey);
  }
  EXPECT_EQ(keys.size(), mrs.size());
}

TEST_F(MrTest, AnyAlignmentIsAccepted) {
  for (size_t skip : {1, 3, 7, 4095})
    EXPECT_NE(MrPtr(ibv_reg_mr(pd.get(), memory.data() + skip, 1001, IBV_ACCESS_LOCAL_WRITE)), nullptr) << skip;
}

TEST_F(MrTest, IovaRegionKeepsItsLocalAddress) {
  uint64_t iova = 0x100000000000 + reinterpret_cast<uint64_t>(memory.data()) % 4096;
  MrPtr mr(ibv_reg_mr_iova(pd.get(), memory.data(), memory.size(), iova, IBV_ACCESS_LOCAL_WRITE));
  ASSERT_NE(mr, nullptr);
  EXPECT_EQ(mr->addr, memory.data());
  EXPECT_EQ(mr->length, memory.size());
}

TEST_F(MrTest, DeregisteredMemoryMayBeUnmappedAndRegisteredAgain) {
  for (int i = 0; i < 20; ++i) {
    Mapping map(4, PROT_READ | PROT_WRITE);
    ibv_mr* mr = ibv_reg_mr(pd.get(), map.at, map.size, IBV_ACCESS_LOCAL_WRITE);
    ASSERT_NE(mr, nullptr);
    ASSERT_EQ(ibv_dereg_mr(mr), 0);
  }
}

}  // namespace
}  // namespace vt
