// SPDX-License-Identifier: BSD-2-Clause
// An rdma_cm_id and the event channel that belongs to it alone.
#pragma once

#include <fcntl.h>

#include <utility>

#include "base/result.h"
#include "rsocket/entry_points.h"

namespace vb::rsocket {

class CmId {
 public:
  CmId() = default;
  CmId(const CmId&) = delete;
  CmId& operator=(const CmId&) = delete;
  ~CmId() { reset(); }

  Result<void> open_channel() {
    channel_ = rdma_create_event_channel();
    if (!channel_) return Error{errno};
    fcntl(channel_->fd, F_SETFL, O_NONBLOCK);
    return {};
  }
  Result<void> create(rdma_port_space space) {
    if (rdma_create_id(channel_, &id_, nullptr, space) != 0) return Error{errno};
    door::keep_to_ours(id_);
    return {};
  }
  /// Takes over an identifier that a listener was asked for. It is the caller's when this fails.
  Result<void> adopt(rdma_cm_id* id) {
    if (rdma_migrate_id(id, channel_) != 0) return Error{errno};
    id_ = id;
    return {};
  }
  void reset() {
    if (id_) rdma_destroy_id(std::exchange(id_, nullptr));
    if (channel_) rdma_destroy_event_channel(std::exchange(channel_, nullptr));
  }

  rdma_cm_id* get() const { return id_; }
  rdma_cm_id* operator->() const { return id_; }
  int event_fd() const { return channel_->fd; }
  /// The next event, or nullptr. To be acknowledged.
  rdma_cm_event* next() {
    rdma_cm_event* event;
    return rdma_get_cm_event(channel_, &event) == 0 ? event : nullptr;
  }

 private:
  rdma_event_channel* channel_ = nullptr;
  rdma_cm_id* id_ = nullptr;
};

}  // namespace vb::rsocket
