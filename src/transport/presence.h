// SPDX-License-Identifier: BSD-2-Clause
// A page that the peers of one host share with this process: whether it sleeps where shared memory cannot wake it.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/fd.h"
#include "base/result.h"

namespace vb {

struct PresencePage {
  uint64_t secret;               ///< told to peers: that the page they map is ours
  uint64_t proof;                ///< told to nobody: who quotes it could open the page, so runs as the same user
  std::atomic<uint32_t> asleep;  ///< 1: ring the doorbell after sending. The ringer takes it back to 0
};

/// This process's own page, in a file that has no name and so leaves nothing behind.
class Presence {
 public:
  Result<void> open();
  /// -1: others cannot open it.
  int fd() const { return fd_.get(); }
  PresencePage& page() { return *page_; }
  bool valid() const { return page_ != nullptr; }

 private:
  Fd fd_;
  PresencePage* page_ = nullptr;
};

/// Maps the page of process `pid` (open there as `fd`). nullptr: not the same host, user or PID namespace, or a secret
/// that is not the one told.
PresencePage* map_presence(int pid, int fd, uint64_t secret);
void unmap_presence(PresencePage* page);

}  // namespace vb
