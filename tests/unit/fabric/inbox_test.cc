// SPDX-License-Identifier: BSD-2-Clause
#include "fabric/inbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

namespace vb::fabric {
namespace {

class InboxTest : public testing::Test, public Sink {
 protected:
  void SetUp() override { ASSERT_TRUE(inbox.open()); }

  void received(std::span<const unsigned char> frame) override { frames.emplace_back(frame.begin(), frame.end()); }
  void released(Frame&, int) override {}
  void finished(Transfer&, int) override {}

  static bool write(Outbox& outbox, const std::string& text) {
    return outbox.write({reinterpret_cast<const unsigned char*>(text.data()), text.size()});
  }
  std::vector<std::string> poll() {
    frames.clear();
    inbox.poll(*this);
    return frames;
  }
  /// The inbox's memory, as a peer that means ill has it.
  InboxMapping mapping() {
    Fd file(dup(inbox.address().fd));
    return InboxMapping(file.get());
  }
  int taken() {
    int count = 0;
    auto map = mapping();
    for (auto& entry : map.header().entries) count += entry.load().state != InboxMapping::kFree;
    return count;
  }
  /// Writes from a process of its own, which is killed then.
  pid_t write_and_be_killed(const std::string& text) {
    pid_t child = fork();
    if (child == 0) {
      Outbox outbox;
      if (outbox.open(inbox.address())) write(outbox, text);
      raise(SIGKILL);
    }
    return child;
  }

  Inbox inbox;
  std::vector<std::string> frames;
};

using Strings = std::vector<std::string>;

TEST_F(InboxTest, ReceivesFromEveryPeer) {
  Outbox one, two;
  ASSERT_TRUE(one.open(inbox.address()));
  ASSERT_TRUE(two.open(inbox.address()));
  EXPECT_TRUE(inbox.empty());
  write(one, "a");
  write(two, "b");
  write(one, "c");
  EXPECT_FALSE(inbox.empty());
  EXPECT_EQ(poll(), (Strings{"a", "c", "b"}));
  EXPECT_TRUE(inbox.empty());
}

TEST_F(InboxTest, WhatAPeerHasWrittenOutlivesItsLeaving) {
  {
    Outbox outbox;
    ASSERT_TRUE(outbox.open(inbox.address()));
    write(outbox, "last words");
  }
  EXPECT_EQ(taken(), 1);
  EXPECT_EQ(poll(), Strings{"last words"});
  poll();
  EXPECT_EQ(taken(), 0);
}

TEST_F(InboxTest, ARingIsUsedAgainWhenItWasLeft) {
  for (size_t i = 0; i < 3 * InboxMapping::kRings; ++i) {
    Outbox outbox;
    ASSERT_TRUE(outbox.open(inbox.address()));
    write(outbox, std::to_string(i));
    ASSERT_EQ(poll(), Strings{std::to_string(i)});
  }
  EXPECT_LE(taken(), 2);
}

TEST_F(InboxTest, HasAnEnd) {
  std::vector<Outbox> outboxes(InboxMapping::kRings - 1);
  for (Outbox& outbox : outboxes) ASSERT_TRUE(outbox.open(inbox.address()));
  Outbox one_more;
  auto opened = one_more.open(inbox.address());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error(), ENOSPC);
  outboxes.pop_back();
  poll();
  EXPECT_TRUE(one_more.open(inbox.address()));
}

/// Nothing else may happen that makes the owner look again.
TEST_F(InboxTest, WhoFindsNoRingMakesTheOwnerLookForOne) {
  {
    std::vector<Outbox> outboxes(InboxMapping::kRings - 1);
    for (Outbox& outbox : outboxes) {
      ASSERT_TRUE(outbox.open(inbox.address()));
      write(outbox, "last words");
    }
  }
  poll();  // They were left, and are read just now.
  Outbox one_more;
  EXPECT_EQ(one_more.open(inbox.address()).error(), ENOSPC);
  poll();
  EXPECT_TRUE(one_more.open(inbox.address()));
}

TEST_F(InboxTest, ARingOfTheDeadIsFreeWhenItIsRead) {
  const pid_t child = write_and_be_killed("last words");
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_EQ(poll(), Strings{"last words"});
  EXPECT_EQ(taken(), 1);
  inbox.writer_left(child);
  poll();
  EXPECT_EQ(taken(), 0);
}

TEST_F(InboxTest, ARingOfWhoRunsAnotherProgramIsFree) {
  int says[2];
  ASSERT_EQ(pipe(says), 0);
  const pid_t child = fork();
  if (child == 0) {
    Outbox outbox;
    if (outbox.open(inbox.address())) write(outbox, "last words");
    dup2(says[1], STDOUT_FILENO);
    execl("/bin/sh", "sh", "-c", "echo; exec sleep 600", nullptr);
    _exit(1);
  }
  char byte;
  ASSERT_EQ(read(says[0], &byte, 1), 1);
  inbox.writer_left(child);
  EXPECT_EQ(poll(), Strings{"last words"});
  mapping().header().changes.fetch_add(1);
  poll();
  EXPECT_EQ(taken(), 0);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(says[0]);
  close(says[1]);
}

TEST_F(InboxTest, ARingIsNotMistakenForOneOfTheDead) {
  const pid_t child = write_and_be_killed("last words");
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  inbox.writer_left(child);
  poll();
  poll();
  ASSERT_EQ(taken(), 0);
  Outbox heir;
  ASSERT_TRUE(heir.open(inbox.address()));
  inbox.writer_left(child);
  write(heir, "alive");
  EXPECT_EQ(poll(), Strings{"alive"});
  EXPECT_EQ(taken(), 1);
}

TEST_F(InboxTest, ARingOfTheLivingIsKept) {
  Outbox outbox;
  ASSERT_TRUE(outbox.open(inbox.address()));
  inbox.writer_left(getpid());
  write(outbox, "alive");
  EXPECT_EQ(poll(), Strings{"alive"});
  EXPECT_EQ(taken(), 1);
}

TEST_F(InboxTest, NonsenseIsCountedAndOthersAreHeard) {
  Outbox bad, good;
  ASSERT_TRUE(bad.open(inbox.address()));
  ASSERT_TRUE(good.open(inbox.address()));
  mapping().ring(1).header(0).size.store(UINT32_MAX);
  write(good, "hello");
  EXPECT_EQ(poll(), Strings{"hello"});
  EXPECT_EQ(inbox.rejected(), 1u);
  write(bad, "more");
  EXPECT_EQ(poll(), Strings{});
  bad = {};
  poll();
  EXPECT_EQ(taken(), 1);
}

TEST_F(InboxTest, WhereARingsReaderIsToBeginIsNotTheWritersToSay) {
  Outbox outbox;
  ASSERT_TRUE(outbox.open(inbox.address()));
  for (uint32_t where : {UINT32_MAX, FrameRing::kBytes, uint32_t{3}}) mapping().ring(1).read.store(where);
  write(outbox, "hello");
  EXPECT_EQ(poll(), Strings{"hello"});
}

/// A program may keep all its memory, and what it will map, in place.
TEST_F(InboxTest, TakesNoMemoryThatIsNotUsedWhereAllMemoryIsLocked) {
  const pid_t child = fork();
  if (child == 0) {
    const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_MEMLOCK, &all);
    if (mlockall(MCL_FUTURE) != 0) _exit(2);
    Inbox locked;
    if (!locked.open()) _exit(2);
    struct stat info;
    _exit(fstat(locked.address().fd, &info) == 0 && info.st_blocks < 2048 ? 0 : 1);
  }
  int status;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  if (WEXITSTATUS(status) == 2) GTEST_SKIP() << "this process may not lock so much memory";
  EXPECT_EQ(status, 0);
}

TEST_F(InboxTest, AnotherFileIsNotAnInbox) {
  const InboxAddress right = inbox.address();
  Outbox outbox;
  EXPECT_EQ(outbox.open({right.process, right.fd, right.secret + 1}).error(), ESTALE);
  EXPECT_EQ(outbox.open({right.process, -1, right.secret}).error(), ESTALE);
  Fd unsealed(memfd_create("unsealed", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(unsealed.get(), InboxMapping::kSize), 0);
  EXPECT_EQ(outbox.open({right.process, unsealed.get(), 0}).error(), ESTALE);
  Fd small(memfd_create("small", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(fcntl(small.get(), F_ADD_SEALS, F_SEAL_SHRINK), 0);
  EXPECT_EQ(outbox.open({right.process, small.get(), 0}).error(), ESTALE);
}

}  // namespace
}  // namespace vb::fabric
