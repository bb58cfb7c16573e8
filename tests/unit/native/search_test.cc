// SPDX-License-Identifier: BSD-2-Clause
#include "native/search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <fstream>

namespace vb::native {
namespace {

constexpr uint32_t kThisArchitecture = 0x0303;

struct CacheEntry {
  uint32_t flags;
  std::string name;
  std::string path;
};

void put(std::string& data, uint32_t value) { data.append(reinterpret_cast<const char*>(&value), sizeof value); }

/// A cache file as ldconfig writes it.
std::string cache_of(const std::vector<CacheEntry>& entries) {
  const size_t strings_at = 48 + 24 * entries.size();
  std::string data = "glibc-ld.so.cache1.1";
  std::string strings;
  put(data, static_cast<uint32_t>(entries.size()));
  data.resize(48);
  for (const CacheEntry& entry : entries) {
    put(data, entry.flags);
    put(data, static_cast<uint32_t>(strings_at + strings.size()));
    put(data, static_cast<uint32_t>(strings_at + strings.size() + entry.name.size() + 1));
    data.append(12, '\0');
    strings += entry.name + '\0' + entry.path + '\0';
  }
  return data + strings;
}

TEST(Search, TheCacheGivesPathsOfThisArchitectureInOrder) {
  const std::string cache = cache_of({{kThisArchitecture, "libibverbs.so.1", "/a/libibverbs.so.1"},
                                      {0x0003, "libibverbs.so.1", "/i386/libibverbs.so.1"},
                                      {kThisArchitecture, "libother.so.1", "/a/libother.so.1"},
                                      {kThisArchitecture, "libibverbs.so.1", "/b/libibverbs.so.1"}});
  EXPECT_THAT(paths_in_cache(cache, "libibverbs.so.1"),
              testing::ElementsAre("/a/libibverbs.so.1", "/b/libibverbs.so.1"));
}

TEST(Search, AnOlderFormatMayStandInFrontOfTheCache) {
  const std::string cache = cache_of({{kThisArchitecture, "libx.so.1", "/a/libx.so.1"}});
  EXPECT_THAT(paths_in_cache("ld.so-1.7.0....." + cache, "libx.so.1"), testing::ElementsAre("/a/libx.so.1"));
}

TEST(Search, ACacheThatEndsEarlyGivesNothing) {
  const std::string cache = cache_of({{kThisArchitecture, "libx.so.1", "/a/libx.so.1"}});
  for (size_t length = 0; length < 73; ++length) {
    EXPECT_THAT(paths_in_cache(cache.substr(0, length), "libx.so.1"), testing::IsEmpty()) << length;
  }
}

class Directories : public testing::Test {
 protected:
  Directories() { std::filesystem::create_directory(root_); }
  ~Directories() override {
    std::filesystem::remove_all(root_);
    ::unsetenv("LD_LIBRARY_PATH");
  }

  std::filesystem::path root_ = std::filesystem::temp_directory_path() / ("search_test." + std::to_string(::getpid()));
};

TEST_F(Directories, ADirectoryThatHoldsAnEngineIsPassedOver) {
  std::filesystem::create_directories(root_ / "ours");
  std::filesystem::create_directories(root_ / "theirs");
  for (const char* file : {"ours/libnone.so.1", "ours/libverbatim.so.0", "theirs/libnone.so.1"}) {
    std::ofstream(root_ / file) << "x";
  }
  const std::string path = (root_ / "ours").string() + ":" + (root_ / "theirs").string();
  ::setenv("LD_LIBRARY_PATH", path.c_str(), 1);
  EXPECT_EQ(find_library("libnone.so.1"), (root_ / "theirs/libnone.so.1").string());
}

TEST_F(Directories, ALinkIntoADirectoryOfOursIsPassedOverToo) {
  std::filesystem::create_directories(root_ / "ours");
  std::filesystem::create_directories(root_ / "links");
  for (const char* file : {"ours/libnone.so.1", "ours/libverbatim.so.0"}) std::ofstream(root_ / file) << "x";
  std::filesystem::create_symlink(root_ / "ours/libnone.so.1", root_ / "links/libnone.so.1");
  ::setenv("LD_LIBRARY_PATH", (root_ / "links").c_str(), 1);
  EXPECT_EQ(find_library("libnone.so.1"), "");
}

TEST(Search, ALibraryThatNobodyHasIsNotFound) { EXPECT_EQ(find_library("libnobody-has-this.so.1"), ""); }

}  // namespace
}  // namespace vb::native
