// SPDX-License-Identifier: BSD-2-Clause
#include "base/page_notes.h"

#include <gtest/gtest.h>

#include <memory>

namespace vb {
namespace {

constexpr size_t kPage = 4096;

PageNotes::Pages pages(uint64_t first, uint64_t count) {
  return {reinterpret_cast<const void*>(first * kPage), count * kPage};
}

class PageNotesTest : public testing::Test {
 protected:
  std::unique_ptr<PageNotes> notes_ = std::make_unique<PageNotes>();
};

TEST_F(PageNotesTest, KnowsWhatWasAddedAndNothingElse) {
  notes_->add(pages(1000, 40));
  EXPECT_TRUE(notes_->has(pages(1000, 40)));
  EXPECT_TRUE(notes_->has(pages(1015, 2)));
  EXPECT_TRUE(notes_->has({reinterpret_cast<const void*>(1039 * kPage + 4095), 1}));
  EXPECT_FALSE(notes_->has({reinterpret_cast<const void*>(1039 * kPage + 4095), 2}));
  EXPECT_FALSE(notes_->has(pages(999, 2)));
  EXPECT_FALSE(notes_->has(pages(1000, 41)));
  EXPECT_FALSE(notes_->has(pages(0, 1)));
}

TEST_F(PageNotesTest, AddsToWhatIsThere) {
  for (uint64_t page = 32; page < 64; page += 2) notes_->add(pages(page, 1));
  EXPECT_FALSE(notes_->has(pages(32, 2)));
  for (uint64_t page = 33; page < 64; page += 2) notes_->add(pages(page, 1));
  EXPECT_TRUE(notes_->has(pages(32, 32)));
}

TEST_F(PageNotesTest, ForgetsWhatWasRemoved) {
  notes_->add(pages(160, 48));
  notes_->remove(pages(176, 1));
  EXPECT_FALSE(notes_->has(pages(176, 1)));
  EXPECT_TRUE(notes_->has(pages(160, 16)));
  EXPECT_TRUE(notes_->has(pages(192, 16)));
  notes_->remove(pages(0, uint64_t{1} << 40));
  EXPECT_FALSE(notes_->has(pages(160, 1)));
}

/// Two addresses that share a word: the later takes it.
TEST_F(PageNotesTest, IsBounded) {
  constexpr uint64_t kFar = uint64_t{1} << 30;  // pages
  notes_->add(pages(16, 16));
  notes_->add(pages(kFar + 16, 3));
  EXPECT_TRUE(notes_->has(pages(kFar + 16, 3)));
  EXPECT_FALSE(notes_->has(pages(16, 1)));
  EXPECT_FALSE(notes_->has(pages(0, uint64_t{1} << 20)));
}

TEST_F(PageNotesTest, HoldsTheHighestAddresses) {
  const uint64_t last = ~uint64_t{0} / kPage;
  notes_->add(pages(last, 1));
  EXPECT_TRUE(notes_->has(pages(last, 1)));
  EXPECT_FALSE(notes_->has(pages(last - 1, 1)));
}

}  // namespace
}  // namespace vb
