// SPDX-License-Identifier: BSD-2-Clause
// A receive queue that many queue pairs take from: an SRQ, of the basic, XRC or tag-matching kind.
#pragma once

#include <cstdint>
#include <memory>

#include "base/gid.h"
#include "transport/receive_queue.h"
#include "transport/tag_matcher.h"

namespace vb {

class CompletionQueue;
class XrcDomain;

class SharedReceiveQueue : public ReceiveQueue {
 public:
  /// Told under the lane's lock: must not block.
  class Listener {
   public:
    virtual void limit_reached() = 0;

   protected:
    ~Listener() = default;
  };

  Listener* listener = nullptr;
  const void* pd = nullptr;           ///< its receives name memory of this PD; for XRC the remote keys as well
  CompletionQueue* cq = nullptr;      ///< XRC, tag matching: where what it receives completes
  const XrcDomain* domain = nullptr;  ///< XRC
  uint32_t number = 0;                ///< XRC: a slot and an index, as a QPN
  SocketAddress home;                 ///< XRC: an address of its device
  uint32_t users = 0;                 ///< operations under way that hold a receive of it; lane's lock
  std::unique_ptr<TagMatcher> tags;   ///< tag matching; lane's lock
};

}  // namespace vb
