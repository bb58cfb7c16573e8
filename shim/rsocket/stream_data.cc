// SPDX-License-Identifier: BSD-2-Clause
// Streams: data, and direct placement.
#include <sys/mman.h>

#include <algorithm>

#include "rsocket/stream.h"

namespace vb::rsocket {

namespace {

size_t total_size(Buffers buffers) {
  size_t total = 0;
  for (size_t i = 0; i < buffers.count; ++i) total += buffers.list[i].iov_len;
  return total;
}

/// The same buffers without their first `skip` bytes.
std::vector<iovec> rest_of(Buffers buffers, size_t skip) {
  std::vector<iovec> rest;
  for (size_t i = 0; i < buffers.count; ++i) {
    iovec each = buffers.list[i];
    size_t part = std::min(skip, each.iov_len);
    skip -= part;
    if (each.iov_len > part) rest.push_back({static_cast<char*>(each.iov_base) + part, each.iov_len - part});
  }
  return rest;
}

}  // namespace

Result<void> Stream::check_connected() const {
  if (state_ == State::kConnected) return {};
  return Error{in_progress() ? EAGAIN : ENOTCONN};
}

Result<size_t> Stream::send(Buffers data, int flags, Destination) {
  std::unique_lock guard(lock_);
  if (flags & MSG_OOB) return Error{EOPNOTSUPP};  // as with TCP, other flags that say nothing here do nothing
  if (in_progress()) take_in();
  if (auto connected = check_connected(); !connected) return Error{connected.error()};
  size_t total = total_size(data), done = 0;
  while (done < total) {
    if (!may_write_) return Error{EPIPE};
    auto waited = wait(guard, would_block(flags), [this] { return link_->writable() || over() || !may_write_; });
    if (!waited || over()) {
      if (done) return done;
      return Error{waited ? (peer_left_ ? EPIPE : ECONNRESET) : waited.error()};
    }
    if (done == 0) {
      done = link_->write(data);
    } else {
      std::vector<iovec> rest = rest_of(data, done);
      done += link_->write({rest.data(), rest.size()});
    }
  }
  return done;
}

Result<size_t> Stream::receive(Buffers room, int flags, Source from) {
  std::unique_lock guard(lock_);
  if (flags & (MSG_OOB | MSG_ERRQUEUE)) return Error{EOPNOTSUPP};
  if (in_progress()) take_in();
  if (auto connected = check_connected(); !connected) return Error{connected.error()};
  size_t total = total_size(room), done = 0;
  bool all = (flags & MSG_WAITALL) && !(flags & MSG_PEEK) && !would_block(flags);
  do {
    auto waited =
        wait(guard, would_block(flags), [this] { return link_->readable() || link_->ended() || over() || !may_read_; });
    if (!waited) return done ? Result<size_t>(done) : Error{waited.error()};
    if (!link_->readable() || !may_read_) {
      bool broken = link_->failed() && !link_->ended() && !peer_left_;
      return done || !broken ? Result<size_t>(done) : Error{ECONNRESET};
    }
    std::vector<iovec> rest;
    if (done) rest = rest_of(room, done);
    done += link_->read(done ? Buffers{rest.data(), rest.size()} : room, flags & MSG_PEEK);
  } while (all && done < total);
  if (from.length) *from.length = 0;  // a connected stream names no source
  return done;
}

// --- direct placement --------------------------------------------------------------------------------------------

Result<off_t> Stream::map(void* buffer, size_t length, int protection, off_t offset) {
  std::unique_lock guard(lock_);
  if (protection & ~PROT_WRITE) return Error{EINVAL};
  if (auto connected = check_connected(); !connected) return Error{ENOTCONN};
  if (auto waited = wait_to_tell(guard); !waited) return Error{waited.error()};
  bool announce = protection & PROT_WRITE;
  size_t slot = 0;
  while (slot < mappings_.size() && mappings_[slot].mr) ++slot;
  if (slot >= options_.limits.io_maps) return Error{ENOMEM};
  int access = announce ? IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE : 0;
  ibv_mr* mr = ibv_reg_mr(link_->pd(), buffer, length, access);
  if (!mr) return Error{errno};
  if (offset == -1) offset = static_cast<off_t>(reinterpret_cast<uintptr_t>(buffer));
  if (slot == mappings_.size()) mappings_.emplace_back();
  mappings_[slot] = {buffer, length, offset, mr, announce};
  if (announce) {
    link_->tell_map(static_cast<uint32_t>(slot),
                    {static_cast<uint64_t>(offset), reinterpret_cast<uint64_t>(buffer), length, mr->rkey});
  }
  return offset;
}

Result<void> Stream::unmap(void* buffer, size_t length) {
  std::unique_lock guard(lock_);
  if (auto waited = state_ == State::kConnected ? wait_to_tell(guard) : Result<void>(); !waited) return waited;
  auto same = [&](const Mapping& each) { return each.mr && each.buffer == buffer && each.length == length; };
  auto found = std::find_if(mappings_.begin(), mappings_.end(), same);
  if (found == mappings_.end()) return Error{EINVAL};
  size_t slot = static_cast<size_t>(found - mappings_.begin());
  if (found->announced && state_ == State::kConnected) link_->tell_map(static_cast<uint32_t>(slot), {});
  ibv_dereg_mr(mappings_[slot].mr);
  mappings_[slot] = {};
  return {};
}

const RemoteMap* Stream::remote_map(uint64_t offset) const {
  for (const RemoteMap& each : link_->remote_maps()) {
    if (offset >= each.offset && offset - each.offset < each.length) return &each;
  }
  return nullptr;
}

Result<size_t> Stream::write_mapped(const void* data, size_t size, off_t offset, int flags) {
  std::unique_lock guard(lock_);
  if (auto connected = check_connected(); !connected) return Error{connected.error()};
  take_in();
  size_t done = 0;
  while (done < size) {
    auto waited = wait(guard, would_block(flags), [this] { return link_->can_write_mapped() || over(); });
    if (!waited || over()) return done ? Result<size_t>(done) : Error{waited ? ECONNRESET : waited.error()};
    uint64_t at = static_cast<uint64_t>(offset) + done;
    const RemoteMap* map = remote_map(at);
    if (!map) return done ? Result<size_t>(done) : Error{EINVAL};
    done += link_->write_mapped(static_cast<const char*>(data) + done, size - done, *map, at);
  }
  return done;
}

}  // namespace vb::rsocket
