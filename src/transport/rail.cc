// SPDX-License-Identifier: BSD-2-Clause
#include "transport/rail.h"

#include <algorithm>
#include <new>

namespace vb {

Rail::Rail(std::unique_ptr<fabric::Endpoint> fabric_endpoint)
    : endpoint(std::move(fabric_endpoint)), frames(*endpoint) {}

Result<fabric::Peer> Rail::add_peer(std::span<const unsigned char> name) {
  for (Known& known : peers_) {
    if (!std::equal(name.begin(), name.end(), known.name.begin(), known.name.end())) continue;
    ++known.uses;
    return known.peer;
  }
  auto peer = endpoint->add_peer(name);
  if (peer) peers_.push_back({{name.begin(), name.end()}, *peer, 1});
  return peer;
}

void Rail::remove_peer(fabric::Peer peer) {
  std::erase_if(peers_, [&](Known& known) {
    if (known.peer != peer || --known.uses > 0) return false;
    endpoint->remove_peer(peer);
    return true;
  });
}

FramePool::~FramePool() {
  for (fabric::Registration& registration : registrations_) endpoint_.unregister(registration);
}

bool FramePool::grow() {
  size_t size = endpoint_.traits().frame_size;
  std::unique_ptr<fabric::Frame[]> frames(new (std::nothrow) fabric::Frame[kSlab]);
  std::unique_ptr<unsigned char[]> memory(new (std::nothrow) unsigned char[kSlab * size]);
  if (!frames || !memory) return false;
  fabric::Registration registration;
  if (endpoint_.traits().registers_local) {
    auto registered = endpoint_.register_memory(memory.get(), kSlab * size, fabric::kLocal);
    if (!registered) return false;
    registration = *registered;
    registrations_.push_back(registration);
  }
  for (size_t i = 0; i < kSlab; ++i) {
    frames[i].data = memory.get() + i * size;
    frames[i].descriptor = registration.descriptor;
    frames[i].next = free_;
    free_ = &frames[i];
  }
  frames_.push_back(std::move(frames));
  memory_.push_back(std::move(memory));
  return true;
}

}  // namespace vb
