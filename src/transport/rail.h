// SPDX-License-Identifier: BSD-2-Clause
// A rail: one fabric endpoint and its frames.
#pragma once

#include <memory>
#include <vector>

#include "fabric/endpoint.h"

namespace vb {

/// Frames for one endpoint, made in slabs when they are needed.
class FramePool {
 public:
  explicit FramePool(fabric::Endpoint& endpoint) : endpoint_(endpoint) {}
  ~FramePool();
  FramePool(const FramePool&) = delete;
  FramePool& operator=(const FramePool&) = delete;

  /// nullptr when no more than `reserve` of the frames are left.
  fabric::Frame* take(size_t reserve) {
    if (out_ + reserve >= kFrames) return nullptr;
    if (!free_ && !grow()) return nullptr;
    fabric::Frame* frame = free_;
    free_ = frame->next;
    ++out_;
    return frame;
  }
  void give(fabric::Frame& frame) {
    frame.next = free_;
    free_ = &frame;
    --out_;
  }

  static constexpr size_t kFrames = 1024;
  static constexpr size_t kForAnswers = 256;

 private:
  bool grow();

  static constexpr size_t kSlab = 32;
  fabric::Endpoint& endpoint_;
  size_t out_ = 0;
  fabric::Frame* free_ = nullptr;
  std::vector<std::unique_ptr<fabric::Frame[]>> frames_;
  std::vector<std::unique_ptr<unsigned char[]>> memory_;
  std::vector<fabric::Registration> registrations_;
};

class Rail {
 public:
  explicit Rail(std::unique_ptr<fabric::Endpoint> fabric_endpoint);

  std::shared_ptr<fabric::Endpoint> endpoint;  ///< and of the registrations of memory with it
  FramePool frames;
  bool left = false;  ///< its interface is gone: it goes with its last channel

  /// Two channels may lead to one process: providers want to know each peer once.
  Result<fabric::Peer> add_peer(std::span<const unsigned char> name);
  void remove_peer(fabric::Peer peer);

 private:
  struct Known {
    std::vector<unsigned char> name;
    fabric::Peer peer;
    int uses;
  };
  std::vector<Known> peers_;
};

}  // namespace vb
