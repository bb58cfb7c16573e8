// SPDX-License-Identifier: BSD-2-Clause
#include "fabric/loopback_endpoint.h"

#include <cstring>

#include "base/safe_copy.h"

namespace vb::fabric {

namespace {
constexpr size_t kFrameSize = 16384;
constexpr size_t kPollLimit = 64;  // so that a poll returns while two queue pairs keep each other busy
}  // namespace

LoopbackEndpoint::LoopbackEndpoint() {
  traits_.provider = "loopback";
  traits_.frame_size = kFrameSize;
  traits_.inject_size = kFrameSize;
  traits_.max_transfer = SIZE_MAX;
  traits_.reads_in_order = true;
  traits_.registers_anything = true;
  traits_.has_wait_fd = true;
}

int LoopbackEndpoint::send(Peer, Frame& frame) {
  frame.next = nullptr;
  *tail_ = &frame;
  tail_ = &frame.next;
  return 0;
}

void LoopbackEndpoint::move(void* to, const void* from, size_t length, bool may_fault, Transfer& transfer) {
  int error = 0;
  if (!may_fault) {
    memcpy(to, from, length);
  } else if (!safe_copy(to, from, length)) {
    error = EFAULT;
  }
  finished_.push_back({&transfer, error});
}

int LoopbackEndpoint::read(Peer, void* local, size_t length, const Registration& into, uint64_t remote, uint64_t key,
                           Transfer& transfer) {
  move(local, reinterpret_cast<const void*>(remote), length, key != 0 || into.may_fault, transfer);
  return 0;
}

int LoopbackEndpoint::write(Peer, const void* local, size_t length, const Registration& from, uint64_t remote,
                            uint64_t key, Transfer& transfer) {
  move(reinterpret_cast<void*>(remote), local, length, key != 0 || from.may_fault, transfer);
  return 0;
}

// Both ends are this process, and the engine has checked every access: the key only says whether pages may be missing.
Result<Registration> LoopbackEndpoint::register_memory(void*, size_t, unsigned access) {
  Registration registration;
  registration.key = (access & kMayFault) ? 1 : 0;
  return registration;
}

size_t LoopbackEndpoint::poll(Sink& sink) {
  size_t count = 0;
  for (; head_ && count < kPollLimit; ++count) {
    Frame& frame = *head_;
    head_ = frame.next;
    if (!head_) tail_ = &head_;
    sink.received({frame.data, frame.size});
    sink.released(frame, 0);
  }
  for (; !finished_.empty(); ++count) {
    auto [transfer, error] = finished_.front();
    finished_.pop_front();
    sink.finished(*transfer, error);
  }
  return count;
}

}  // namespace vb::fabric
