// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/share.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "base/never_destroyed.h"
#include "base/random.h"

namespace vb {

namespace {

/// What stands in the file. `share` is random: it leads somewhere in the process that made it only.
struct Label {
  char mark[16];
  uint64_t share;
  char device[64];
};
constexpr char kMark[16] = "verbatim device";

using Shares = std::map<uint64_t, std::weak_ptr<Share>>;

std::mutex& shares_lock() {
  static NeverDestroyed<std::mutex> lock;
  return *lock;
}

Shares& shares() {
  static NeverDestroyed<Shares> all;
  return *all;
}

int labelled_file(const Label& label) {
  int fd = memfd_create("verbatim-device", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return -1;
  bool written = pwrite(fd, &label, sizeof label, 0) == static_cast<ssize_t>(sizeof label);
  if (written && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0) return fd;
  close(fd);
  return -1;
}

}  // namespace

OpenShare make_share(const char* device) {
  Label label{};
  memcpy(label.mark, kMark, sizeof kMark);
  label.share = random_value<uint64_t>();
  strncpy(label.device, device, sizeof label.device - 1);
  auto share = std::make_shared<Share>();
  std::lock_guard guard(shares_lock());
  std::erase_if(shares(), [](const auto& each) { return each.second.expired(); });
  shares()[label.share] = share;
  return {share, device, labelled_file(label)};
}

Result<OpenShare> find_share(int fd) {
  Label label{};
  ssize_t size = pread(fd, &label, sizeof label, 0);
  if (size != static_cast<ssize_t>(sizeof label) || memcmp(label.mark, kMark, sizeof kMark) != 0) return Error{EINVAL};
  label.device[sizeof label.device - 1] = '\0';
  std::lock_guard guard(shares_lock());
  auto found = shares().find(label.share);
  std::shared_ptr<Share> share = found == shares().end() ? nullptr : found->second.lock();
  if (!share) {
    share = std::make_shared<Share>();
    share->foreign = true;
  }
  return OpenShare{share, label.device, -1};
}

}  // namespace vb
