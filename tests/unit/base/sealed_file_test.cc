// SPDX-License-Identifier: BSD-2-Clause
#include "base/sealed_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>

namespace vb {
namespace {

constexpr size_t kSize = 8192;

TEST(SealedFile, IsFoundByItsDescriptorAndKeepsItsSize) {
  auto file = make_sealed_file("test", kSize);
  ASSERT_TRUE(file);
  Fd found = open_sealed_file(getpid(), file->get(), kSize);
  ASSERT_TRUE(found);
  EXPECT_NE(found.get(), file->get());
  EXPECT_NE(ftruncate(found.get(), 0), 0);
  EXPECT_NE(ftruncate(found.get(), 2 * kSize), 0);
}

TEST(SealedFile, NothingElseIsOpened) {
  auto file = make_sealed_file("test", kSize);
  ASSERT_TRUE(file);
  EXPECT_FALSE(open_sealed_file(getpid(), file->get(), kSize / 2));
  EXPECT_FALSE(open_sealed_file(getpid(), -1, kSize));
  EXPECT_FALSE(open_sealed_file(-1, file->get(), kSize));
  Fd open_ended(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(ftruncate(open_ended.get(), kSize), 0);
  EXPECT_FALSE(open_sealed_file(getpid(), open_ended.get(), kSize));
  Fd device(open("/dev/zero", O_RDWR | O_CLOEXEC));
  EXPECT_FALSE(open_sealed_file(getpid(), device.get(), 0));
}

TEST(SealedFile, OfAnotherUserIsNotOpened) {
  auto file = make_sealed_file("test", kSize);
  ASSERT_TRUE(file);
  if (fchown(file->get(), 65534, 65534) != 0) GTEST_SKIP() << "this process may not give files away";
  EXPECT_FALSE(open_sealed_file(getpid(), file->get(), kSize));
}

/// The kernel would end it by a signal.
TEST(SealedFile, AProcessThatMayNotHaveSuchFilesIsToldSo) {
  const pid_t child = fork();
  if (child == 0) {
    const rlimit small{kSize - 1, kSize - 1};
    if (setrlimit(RLIMIT_FSIZE, &small) != 0) _exit(1);
    auto file = make_sealed_file("test", kSize);
    _exit(!file && file.error() == EFBIG ? 0 : 1);
  }
  int status;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace vb
