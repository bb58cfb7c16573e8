// SPDX-License-Identifier: BSD-2-Clause
#include "fabric/inbox.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "base/random.h"
#include "base/sealed_file.h"
#include "fabric/process_end.h"

namespace vb::fabric {

namespace {
constexpr size_t kPollLimit = 16;  // of one ring, so that a poll returns and others have their turn
}  // namespace

/// Not to be touched at first: where a program keeps all its memory in place (mlockall), that would fill it all.
InboxMapping::InboxMapping(int fd) {
  void* base = mmap(nullptr, kSize, PROT_NONE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (base == MAP_FAILED) return;
  if (munlock(base, kSize) != 0 || mprotect(base, kSize, PROT_READ | PROT_WRITE) != 0) {
    munmap(base, kSize);
    return;
  }
  madvise(base, kSize, MADV_DONTDUMP);
  base_ = static_cast<unsigned char*>(base);
}

InboxMapping::~InboxMapping() {
  if (base_) munmap(base_, kSize);
}

Result<void> Inbox::open() {
  auto fd = make_sealed_file("verbatim-inbox", InboxMapping::kSize);
  if (!fd) return Error{fd.error()};
  InboxMapping mapping(fd->get());
  if (!mapping) return Error{ENOMEM};
  mapping.header().secret = random_value<uint64_t>();
  mapping_ = std::move(mapping);
  fd_ = std::move(*fd);
  return {};
}

InboxAddress Inbox::address() const { return {getpid(), fd_.get(), mapping_.header().secret}; }

size_t Inbox::poll(Sink& sink) {
  if (leaving_ || mapping_.header().changes.load(std::memory_order_relaxed) != seen_changes_) [[unlikely]]
    look_again();
  size_t count = 0;
  for (size_t i = 0; i < rings_.size(); ++i) {
    if (!rings_[i].empty()) count += poll(rings_[i], sink);
  }
  return count;
}

size_t Inbox::poll(Ring& ring, Sink& sink) {
  uint32_t size;
  for (size_t count = 0; count < kPollLimit; ++count) {
    const auto found = ring.reader.read(frame_, size);
    if (found == FrameReader::Found::kNothing) return count;
    if (found == FrameReader::Found::kNonsense) {
      shut(ring);
      return count;
    }
    sink.received({frame_.data(), size});
  }
  return kPollLimit;
}

bool Inbox::empty() {
  if (mapping_.header().changes.load(std::memory_order_acquire) != seen_changes_) look_again();
  return std::all_of(rings_.begin(), rings_.end(), [](const Ring& each) { return each.empty(); });
}

void Inbox::look_again() {
  auto& header = mapping_.header();
  seen_changes_ = header.changes.load(std::memory_order_acquire);
  leaving_ = false;
  end_gone_writers();
  std::array<bool, InboxMapping::kRings> known{};
  for (const Ring& ring : rings_) known[ring.number] = true;
  for (uint32_t i = 1; i < InboxMapping::kRings; ++i) {
    const uint32_t state = header.entries[i].load(std::memory_order_acquire).state;
    if (!known[i] && state != InboxMapping::kFree) rings_.push_back({i, FrameReader(mapping_.ring(i))});
  }
  std::erase_if(rings_, [this](Ring& ring) { return free_if_left(ring); });
}

/// Its writer, if it lives, may go on writing: nobody else gets the ring before that one leaves.
void Inbox::shut(Ring& ring) {
  static std::atomic<bool> told{false};
  log_once(told, LogLevel::warn, "a peer writes nonsense into shared memory: it is not listened to any more");
  ++rejected_;
  ring.shut = true;
}

bool Inbox::free_if_left(Ring& ring) {
  if (mapping_.header().entries[ring.number].load(std::memory_order_acquire).state != InboxMapping::kLeft) return false;
  if (ring.empty()) {
    free(ring.number);
    return true;
  }
  leaving_ = true;
  return false;
}

/// Gives its memory back, which makes it zero: empty.
void Inbox::free(uint32_t number) {
  FrameRing& ring = mapping_.ring(number);
  if (madvise(&ring, sizeof ring, MADV_REMOVE) != 0) memset(static_cast<void*>(&ring), 0, sizeof ring);
  mapping_.header().entries[number].store({InboxMapping::kFree, 0}, std::memory_order_release);
}

void Inbox::writer_left(pid_t process) {
  if (std::find(gone_.begin(), gone_.end(), process) == gone_.end()) gone_.push_back(process);
  end_gone_writers();
}

/// A process's connections end a little before itself: who is not gone yet is asked for again at the next change.
void Inbox::end_gone_writers() {
  auto& header = mapping_.header();
  std::erase_if(gone_, [this, &header](pid_t process) {
    if (!has_ended(process) && !runs_without(process, fd_.get())) return false;
    for (auto& entry : header.entries) {
      const auto holder = entry.load(std::memory_order_relaxed);
      if (holder.writer != process || holder.state != InboxMapping::kTaken) continue;
      entry.store({InboxMapping::kLeft, 0});
      header.changes.fetch_add(1, std::memory_order_relaxed);
    }
    return true;
  });
}

Result<void> Outbox::open(const InboxAddress& address) {
  Fd file = open_sealed_file(address.process, address.fd, InboxMapping::kSize);
  if (!file) return Error{ESTALE};
  InboxMapping mapping(file.get());
  if (!mapping) return Error{ENOMEM};
  auto& header = mapping.header();
  if (header.secret != address.secret) return Error{ESTALE};
  for (size_t i = 1; i < InboxMapping::kRings; ++i) {
    InboxMapping::Holder free{InboxMapping::kFree, 0};
    if (!header.entries[i].compare_exchange_strong(free, {InboxMapping::kTaken, getpid()})) continue;
    header.changes.fetch_add(1);
    entry_ = &header.entries[i];
    writer_ = FrameWriter(mapping.ring(i));
    mapping_ = std::move(mapping);
    return {};
  }
  header.changes.fetch_add(1);  // Some may be free by now, and their owner has not looked.
  return Error{ENOSPC};
}

Outbox::~Outbox() {
  if (!entry_) return;
  entry_->store({InboxMapping::kLeft, 0}, std::memory_order_release);
  mapping_.header().changes.fetch_add(1);
}

}  // namespace vb::fabric
