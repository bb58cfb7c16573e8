// SPDX-License-Identifier: BSD-2-Clause
#include "transport/packet_socket.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <thread>
#include <vector>

namespace vb {
namespace {

constexpr uint32_t kLoopback = 1;  // the first interface of a network namespace
constexpr uint32_t kMtu = 65536;   // of loopback: the ring has few slots
constexpr size_t kSlots = (8u << 20) / (16u << 10);
constexpr size_t kBeyond = 88;
constexpr size_t kAll = 4096;

/// A network namespace of the calling thread's own, where nobody else sends.
bool enter_own_network() {
  if (unshare(CLONE_NEWNET) != 0) return false;
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  return ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0;
}

void send_frames(PacketSender& sender, size_t count) {
  std::vector<unsigned char> frame(60);
  frame[12] = 0x88, frame[13] = 0xb5;
  const iovec whole{frame.data(), frame.size()};
  for (size_t i = 0; i < count; ++i) ASSERT_EQ(sender.send(&whole, 1), 0);
}

size_t receive_all(PacketReceiver& receiver) {
  return receiver.receive(kAll, [](ReceivedFrame& frame) { EXPECT_EQ(frame.bytes.size(), 60u); });
}

void overflow() {
  PacketSender sender;
  PacketReceiver receiver;
  ASSERT_TRUE(sender.open(kLoopback));
  ASSERT_TRUE(receiver.open(kLoopback, kMtu));
  // Each is seen twice on loopback: when it is sent, at once, and when it comes.
  send_frames(sender, kSlots / 2);
  EXPECT_LE(receive_all(receiver), kSlots);
  EXPECT_EQ(receiver.lost(), 0u);
  send_frames(sender, kSlots + kBeyond);
  EXPECT_EQ(receive_all(receiver), kSlots);
  // The first that comes again says so.
  send_frames(sender, 1);
  EXPECT_GE(receive_all(receiver), 1u);
  EXPECT_GE(receiver.lost(), kBeyond);
  EXPECT_LE(receiver.lost(), kSlots + 2 * kBeyond);
}

TEST(PacketReceiverTest, CountsWhatFoundNoRoomInTheRing) {
  bool entered = false;
  std::thread([&] {
    entered = enter_own_network();
    if (entered) overflow();
  }).join();
  if (!entered) GTEST_SKIP() << "needs root";
}

}  // namespace
}  // namespace vb
