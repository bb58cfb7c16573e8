// SPDX-License-Identifier: BSD-2-Clause
#include "fabric/frame_ring.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

#include "base/random.h"

namespace vb::fabric {
namespace {

using Bytes = std::vector<unsigned char>;

/// One whose bytes tell its number.
Bytes numbered(uint32_t number, size_t size) {
  Bytes frame(size);
  for (size_t i = 0; i < size; ++i) frame[i] = static_cast<unsigned char>(number + i * 7);
  return frame;
}

class FrameRingTest : public testing::Test {
 protected:
  FrameReader::Found read() {
    uint32_t size = 0;
    auto found = reader.read(buffer, size);
    if (found == FrameReader::Found::kFrame) frame.assign(buffer.begin(), buffer.begin() + size);
    return found;
  }
  /// Frames of that size until one does not fit.
  uint32_t fill(size_t size) {
    uint32_t count = 0;
    while (writer.write(numbered(count, size))) ++count;
    return count;
  }

  std::unique_ptr<FrameRing> ring = std::make_unique<FrameRing>();
  FrameWriter writer{*ring};
  FrameReader reader{*ring};
  std::array<unsigned char, FrameRing::kLargest> buffer;
  Bytes frame;
};

TEST_F(FrameRingTest, HoldsNothingAtFirst) {
  EXPECT_TRUE(reader.empty());
  EXPECT_EQ(read(), FrameReader::Found::kNothing);
}

TEST_F(FrameRingTest, GivesBackWhatWasWritten) {
  for (uint32_t size : {1u, 55u, 56u, 57u, 64u, 4096u, FrameRing::kLargest}) {
    ASSERT_TRUE(writer.write(numbered(size, size)));
    ASSERT_EQ(read(), FrameReader::Found::kFrame);
    EXPECT_EQ(frame, numbered(size, size));
  }
  EXPECT_TRUE(reader.empty());
}

TEST_F(FrameRingTest, TakesNoMoreThanFitsAndLosesNothingOfIt) {
  for (size_t size : {1, 100, 4000}) {
    const uint32_t count = fill(size);
    EXPECT_GT(count, 0u);
    for (uint32_t i = 0; i < count; ++i) {
      ASSERT_EQ(read(), FrameReader::Found::kFrame);
      ASSERT_EQ(frame, numbered(i, size));
    }
    EXPECT_TRUE(reader.empty());
  }
}

TEST_F(FrameRingTest, HasRoomAgainForWhatWasRead) {
  fill(2000);
  EXPECT_FALSE(writer.write(numbered(0, 2000)));
  for (int i = 0; i < 2; ++i) ASSERT_EQ(read(), FrameReader::Found::kFrame);
  EXPECT_TRUE(writer.write(numbered(0, 2000)));
}

/// A record's bytes are never taken for the header of the next one, wherever it begins.
TEST_F(FrameRingTest, IsNotMisledByWhatPayloadsHold) {
  for (uint32_t round = 0; round < 20'000; ++round) {
    const Bytes like_headers(1 + random_value<uint32_t>() % 300, 1);
    ASSERT_TRUE(writer.write(like_headers));
    ASSERT_EQ(read(), FrameReader::Found::kFrame);
    ASSERT_EQ(frame, like_headers);
    ASSERT_TRUE(reader.empty());
  }
}

TEST_F(FrameRingTest, KeepsTheOrderBetweenTwoThreads) {
  constexpr uint32_t kFrames = 50'000;
  std::thread other([this] {
    for (uint32_t i = 0; i < kFrames; ++i) {
      while (!writer.write(numbered(i, 1 + i * 13 % FrameRing::kLargest))) std::this_thread::yield();
    }
  });
  uint32_t wrong = 0;
  for (uint32_t i = 0; i < kFrames; ++i) {
    while (read() == FrameReader::Found::kNothing) std::this_thread::yield();
    if (frame != numbered(i, 1 + i * 13 % FrameRing::kLargest)) ++wrong;
  }
  other.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_TRUE(reader.empty());
}

TEST_F(FrameRingTest, SizesOutOfRangeAreNonsense) {
  for (uint32_t size : {FrameRing::kLargest + 1, uint32_t{1} << 31, FrameRing::kSkip}) {
    ring->header(0).size.store(size);
    EXPECT_EQ(read(), FrameReader::Found::kNonsense);
  }
}

TEST_F(FrameRingTest, ARecordThatLeavesTheRingIsNonsense) {
  while (reader.empty() && fill(1000)) {
  }
  uint32_t at = 0;
  while (at + FrameRing::record_size(1000) < FrameRing::kBytes) at += FrameRing::record_size(1000);
  while (ring->read.load() < at) ASSERT_EQ(read(), FrameReader::Found::kFrame);
  ring->header(at).size.store(FrameRing::kLargest);
  EXPECT_EQ(read(), FrameReader::Found::kNonsense);
}

TEST_F(FrameRingTest, AReaderWhoSaysNonsenseIsWrittenNothing) {
  fill(1000);
  for (uint32_t where : {FrameRing::kBytes, UINT32_MAX, uint32_t{3}}) {
    ring->read.store(where);
    EXPECT_FALSE(writer.write(numbered(0, 4000)));
  }
}

}  // namespace
}  // namespace vb::fabric
