// SPDX-License-Identifier: BSD-2-Clause
#include "fabric/undertaker.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <climits>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

namespace vb::fabric {
namespace {

/// A process of its own that locks what it is told to, and waits to be killed.
class Peer {
 public:
  explicit Peer(std::initializer_list<pthread_spinlock_t*> locks) {
    int done[2];
    EXPECT_EQ(pipe(done), 0);
    pid_ = fork();
    if (pid_ == 0) {
      for (pthread_spinlock_t* lock : locks) pthread_spin_lock(lock);
      if (write(done[1], "!", 1) != 1) _exit(1);
      for (;;) pause();
    }
    char byte;
    EXPECT_EQ(read(done[0], &byte, 1), 1);
    close(done[0]);
    close(done[1]);
  }
  ~Peer() {
    die();
    waitpid(pid_, nullptr, 0);
  }
  void die() { kill(pid_, SIGKILL); }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

class UndertakerTest : public testing::Test {
 protected:
  static constexpr size_t kSize = 4096;

  UndertakerTest() {
    void* memory = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    locks_ = static_cast<pthread_spinlock_t*>(memory);
    for (int i = 0; i < 4; ++i) pthread_spin_init(&locks_[i], PTHREAD_PROCESS_SHARED);
  }
  ~UndertakerTest() override { munmap(const_cast<int*>(locks_), kSize); }

  /// For ever, if nobody frees it.
  static void await(pthread_spinlock_t& lock) {
    pthread_spin_lock(&lock);
    pthread_spin_unlock(&lock);
  }
  static int value(pthread_spinlock_t& lock) { return __atomic_load_n(&lock, __ATOMIC_ACQUIRE); }
  /// Until the undertaker has begun to look at a locked lock; on a busy machine it may be done as well.
  static void await_inquest(pthread_spinlock_t& lock) {
    for (int now = 0; now > -1000 && now != 1; now = value(lock)) sched_yield();
  }
  /// As one that will never release it.
  static void take(pthread_spinlock_t& lock) { __atomic_store_n(&lock, 0, __ATOMIC_RELEASE); }

  pthread_spinlock_t* locks_;
};

TEST_F(UndertakerTest, FreesTheLockOfADeadProcess) {
  Peer peer({&locks_[0]});
  SharedLock lock(locks_[0], peer.pid());
  std::thread spinning([this] { await(locks_[0]); });
  peer.die();
  spinning.join();
  EXPECT_TRUE(lock.is_free());
}

TEST_F(UndertakerTest, FreesOurLocksThatADeadProcessHolds) {
  Peer peer({&locks_[1]});
  SharedLock of_peer(locks_[0], peer.pid()), ours(locks_[1], getpid());
  std::thread spinning([this] { await(locks_[1]); });
  peer.die();
  spinning.join();
  EXPECT_TRUE(ours.is_free());
  EXPECT_TRUE(of_peer.is_free());
}

/// However often it is suspected: a hundred peers may die at once.
TEST_F(UndertakerTest, GivesAHolderItsTime) {
  SharedLock ours(locks_[0], getpid());
  take(locks_[0]);
  const auto begin = std::chrono::steady_clock::now();
  while (!ours.is_free()) ours.suspect();
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(200));
}

TEST_F(UndertakerTest, FreesWhatTheNextOneLeavesToo) {
  SharedLock ours(locks_[0], getpid());
  for (int i = 0; i < 3; ++i) {
    Peer peer({&locks_[0], &locks_[1]});
    SharedLock of_peer(locks_[1], peer.pid());
    peer.die();
    await(locks_[0]);
    await(locks_[1]);
  }
}

TEST_F(UndertakerTest, FreesTheRegionOfOneThatDiedBeforeItsKiller) {
  Peer first({}), second({&locks_[0]});
  SharedLock of_first(locks_[0], first.pid()), of_second(locks_[1], second.pid());
  first.die();
  second.die();
  await(locks_[0]);
}

TEST_F(UndertakerTest, LeavesLocksOfTheLivingAlone) {
  Peer living({&locks_[0]}), dying({&locks_[1]});
  SharedLock of_living(locks_[0], living.pid()), of_dying(locks_[1], dying.pid());
  dying.die();
  await(locks_[1]);
  EXPECT_EQ(value(locks_[0]), 0);
}

TEST_F(UndertakerTest, LeavesALockAloneThatSomebodyReleasesAndTakesAgain) {
  Peer peer({&locks_[1]});
  SharedLock of_peer(locks_[1], peer.pid()), ours(locks_[0], getpid());
  take(locks_[0]);
  peer.die();
  await_inquest(locks_[0]);
  __atomic_store_n(&locks_[0], 1, __ATOMIC_RELEASE);
  take(locks_[0]);
  await(locks_[1]);
  EXPECT_EQ(value(locks_[0]), 0);
}

TEST_F(UndertakerTest, ForgetsLocksThatAreGone) {
  Peer gone({&locks_[0]}), dying({&locks_[1]});
  std::optional<SharedLock> of_gone(std::in_place, locks_[0], gone.pid());
  SharedLock of_dying(locks_[1], dying.pid());
  of_gone.reset();
  gone.die();
  dying.die();
  await(locks_[1]);
  EXPECT_EQ(value(locks_[0]), 0);
}

TEST_F(UndertakerTest, ALockMayGoWhileItIsSuspected) {
  Peer gone({&locks_[0]}), dying({&locks_[1]});
  std::optional<SharedLock> of_gone(std::in_place, locks_[0], gone.pid());
  SharedLock of_dying(locks_[1], dying.pid());
  gone.die();
  await_inquest(locks_[0]);
  of_gone.reset();
  const int left = value(locks_[0]);
  dying.die();
  await(locks_[1]);
  EXPECT_EQ(value(locks_[0]), left);
}

TEST_F(UndertakerTest, OwnersThatItCannotSeeAreNotDead) {
  Peer dying({&locks_[3]});
  const pid_t reaped = fork();
  if (reaped == 0) _exit(0);
  waitpid(reaped, nullptr, 0);
  for (int i = 0; i < 3; ++i) take(locks_[i]);
  SharedLock nobody(locks_[0], 0), negative(locks_[1], -7), unseen(locks_[2], reaped);
  SharedLock of_dying(locks_[3], dying.pid());
  dying.die();
  await(locks_[3]);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(value(locks_[i]), 0) << i;
}

TEST_F(UndertakerTest, IsToldWhomToSuspect) {
  take(locks_[0]);
  SharedLock ours(locks_[0], getpid());
  ours.suspect();
  await(locks_[0]);
  ours.suspect();
  EXPECT_TRUE(ours.is_free());
}

/// Peers that mean ill write what they want.
TEST_F(UndertakerTest, AnyValueIsThatOfALock) {
  for (int value : {INT_MIN, INT_MIN + 1, -1}) {
    __atomic_store_n(&locks_[0], value, __ATOMIC_RELEASE);
    SharedLock ours(locks_[0], getpid());
    ours.suspect();
    while (!ours.is_free()) sched_yield();
  }
}

int undertakers() {
  int count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    count += name == "vb-undertaker";
  }
  return count;
}

/// In a forked child: it has one thread, whatever the parent has.
template <class Check>
void in_child(Check check) {
  const pid_t child = fork();
  if (child == 0) _exit(check() ? 0 : 1);
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(UndertakerTest, IsMadeForThePeersOfAForkedChildAnew) {
  Peer ours({});
  SharedLock in_parent(locks_[2], ours.pid());
  in_child([this] {
    SharedLock own(locks_[0], getpid());
    if (undertakers() != 0) return false;  // not before there is a peer
    Peer peer({&locks_[0], &locks_[1]});
    SharedLock of_peer(locks_[1], peer.pid());
    if (undertakers() != 1) return false;
    peer.die();
    await(locks_[0]);
    await(locks_[1]);
    return true;
  });
  take(locks_[2]);
  ours.die();
  await(locks_[2]);
}

}  // namespace
}  // namespace vb::fabric
