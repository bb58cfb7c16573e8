// SPDX-License-Identifier: BSD-2-Clause
// The rendezvous of tag matching: when a message that announces data has found its tagged receive, the data is read
// from the sender's memory over the same queue pair, and a message says when that is done. Guarded by the lane's lock.
#pragma once

#include <infiniband/verbs.h>

#include <deque>

#include "transport/receive_queue.h"
#include "transport/send_queue.h"
#include "transport/tag_header.h"

namespace vb {

class ConnectedQueuePair;

class Rendezvous {
 public:
  /// WRs of our own in a send queue: a READ and a SEND for each transfer.
  static constexpr uint32_t kExtraSlots = 32;

  explicit Rendezvous(ConnectedQueuePair& qp) : qp_(qp) {}

  /// Takes up bringing the data that `header` announces to `receive`, which has room for it. post() begins.
  void start(const ReceiveWqe& receive, const TagHeader& header);
  /// Posts what waits, if the program is not at the send queue just now.
  void post();
  bool waiting() const { return !waiting_.empty(); }
  /// A WR of ours is done.
  void finished(SendWqe::Origin origin, ibv_wc_status status);
  /// The queue pair is in ERR: nothing more is posted.
  void abandon();

 private:
  struct Transfer {
    ReceiveWqe receive;
    TagHeader header;
  };

  void complete(const Transfer& transfer, ibv_wc_status status);
  void fill_read(SendWqe& wqe, const Transfer& transfer);
  void fill_finish(SendWqe& wqe, const Transfer& transfer);

  ConnectedQueuePair& qp_;
  std::deque<Transfer> waiting_;
  std::deque<Transfer> posted_;  ///< in the order of the send queue
};

}  // namespace vb
