// SPDX-License-Identifier: BSD-2-Clause
#include "fabric/fake_endpoint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace vb::fabric {

namespace {

std::map<std::string, FakeEndpoint*>& endpoints() {
  static std::map<std::string, FakeEndpoint*> all;
  return all;
}

/// Counts a refusal down; -1 refuses for ever.
bool refused(int& left) {
  if (left > 0) {
    --left;
    return true;
  }
  return left < 0;
}

}  // namespace

Traits strict_traits() {
  Traits traits;
  traits.provider = "fake";
  traits.frame_size = 512;
  traits.inject_size = 64;
  traits.max_transfer = 1000;
  traits.reads_in_order = false;
  traits.registers_local = true;
  traits.has_wait_fd = true;
  return traits;
}

FakeEndpoint::FakeEndpoint(std::string name, Traits traits, FakeModes modes)
    : name_(std::move(name)), modes_(modes), next_key_(modes.first_key) {
  traits_ = std::move(traits);
  endpoints()[name_] = this;
}

FakeEndpoint::~FakeEndpoint() { endpoints().erase(name_); }

Result<Peer> FakeEndpoint::add_peer(std::span<const unsigned char> name) {
  auto found = endpoints().find(std::string(name.begin(), name.end()));
  if (found == endpoints().end()) return Error{EINVAL};
  return reinterpret_cast<Peer>(found->second);
}

int FakeEndpoint::send(Peer peer, Frame& frame) {
  if (refused(refuse_sends)) return EAGAIN;
  EXPECT_LE(frame.size, traits_.frame_size);
  EXPECT_TRUE(local_is_registered(frame.descriptor, frame.data, frame.size)) << "a frame outside registered memory";
  ++frames;
  auto& target = *reinterpret_cast<FakeEndpoint*>(peer);
  target.inbox_.emplace_back(frame.data, frame.data + frame.size);
  sent_.push_back(&frame);
  return 0;
}

int FakeEndpoint::read(Peer peer, void* local, size_t length, const Registration& into, uint64_t remote, uint64_t key,
                       Transfer& transfer) {
  return issue(
      {&transfer, reinterpret_cast<FakeEndpoint*>(peer), static_cast<unsigned char*>(local), length, remote, key, true},
      into);
}

int FakeEndpoint::write(Peer peer, const void* local, size_t length, const Registration& from, uint64_t remote,
                        uint64_t key, Transfer& transfer) {
  auto* bytes = static_cast<unsigned char*>(const_cast<void*>(local));
  return issue({&transfer, reinterpret_cast<FakeEndpoint*>(peer), bytes, length, remote, key, false}, from);
}

int FakeEndpoint::issue(const Move& move, const Registration& local) {
  if (refused(refuse_transfers)) return EAGAIN;
  if (fail_issues) return std::exchange(fail_issues, 0);
  EXPECT_LE(move.length, traits_.max_transfer);
  EXPECT_TRUE(local_is_registered(local.descriptor, move.local, move.length)) << "a transfer of unregistered memory";
  ++transfers;
  longest = std::max(longest, move.length);
  moves_.push_back(move);
  return 0;
}

/// Moves the bytes at the last possible moment: what is reused before the completion shows.
int FakeEndpoint::carry_out(const Move& move) {
  unsigned char* far = move.peer->resolve(move.key, move.remote, move.length, move.pull ? kRemoteRead : kRemoteWrite);
  if (!far) return EACCES;
  if (move.pull) {
    memcpy(move.local, far, move.length);
  } else {
    memcpy(far, move.local, move.length);
  }
  return 0;
}

unsigned char* FakeEndpoint::resolve(uint64_t key, uint64_t at, size_t length, unsigned access) {
  auto found = regions_.find(key);
  if (found == regions_.end() || (found->second.access & access) == 0) return nullptr;
  const Region& region = found->second;
  uint64_t offset = modes_.virtual_addresses ? at - reinterpret_cast<uint64_t>(region.address) : at;
  return offset <= region.length && length <= region.length - offset ? region.address + offset : nullptr;
}

bool FakeEndpoint::local_is_registered(const void* descriptor, const void* at, size_t length) const {
  if (!traits_.registers_local) return true;
  auto found = regions_.find(reinterpret_cast<uint64_t>(descriptor));
  if (found == regions_.end()) return false;
  auto* begin = static_cast<const unsigned char*>(at);
  const Region& region = found->second;
  return begin >= region.address && begin + length <= region.address + region.length;
}

Result<Registration> FakeEndpoint::register_memory(void* address, size_t length, unsigned access) {
  if (refused(refuse_registrations)) return Error{ENOMEM};
  uint64_t key = next_key_++;
  regions_[key] = {static_cast<unsigned char*>(address), length, access};
  Registration registration;
  registration.handle = registration.descriptor = reinterpret_cast<void*>(key);
  registration.key = key;
  registration.base = modes_.virtual_addresses ? 0 : reinterpret_cast<uint64_t>(address);
  return registration;
}

void FakeEndpoint::unregister(Registration& registration) {
  if (registration.handle) regions_.erase(reinterpret_cast<uint64_t>(registration.handle));
  registration.handle = nullptr;
}

size_t FakeEndpoint::poll(Sink& sink) {
  size_t count = 0;
  while (!hold_sent && !sent_.empty()) {
    Frame& frame = *sent_.front();
    sent_.pop_front();
    memset(frame.data, 0xee, frame.size);  // it is the sender's again: nobody may still look at it
    sink.released(frame, 0);
    ++count;
  }
  while (!hold_frames && !inbox_.empty()) {
    std::vector<unsigned char> bytes = std::move(inbox_.front());
    inbox_.pop_front();
    ++count;
    if (!on_arrival || on_arrival(bytes)) sink.received(bytes);
  }
  for (size_t left = transfers_per_poll; !hold_transfers && left != 0 && !moves_.empty(); --left) {
    Move move = moves_.front();
    moves_.pop_front();
    int error = std::exchange(fail_transfers, 0);
    sink.finished(*move.transfer, error ? error : carry_out(move));
    ++count;
  }
  return count;
}

}  // namespace vb::fabric
