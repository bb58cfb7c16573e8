// SPDX-License-Identifier: BSD-2-Clause
// Event channels: real file descriptors.
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <unordered_set>

#include "base/config.h"
#include "base/never_destroyed.h"
#include "door.h"
#include "native/inside_fabric.h"
#include "native_id.h"

using namespace vb;
using namespace vb::door;

namespace vb::door {

namespace {

// The program's structure is four bytes long, so there is no room for a mark behind it.
struct Channels {
  std::mutex lock;
  std::unordered_set<const void*> ours;
  // A thread that has just acknowledged the last event may come back for the next one while another destroys the
  // channel: programs that end so (rping) are right by luck on the kernel, where the second takes longer. So the last
  // ones stay, closed, for a while.
  std::array<std::unique_ptr<EventChannel>, 64> destroyed;
  size_t next = 0;
};

Channels& channels() {
  static NeverDestroyed<Channels> value;
  return *value;
}

/// What the program polls is readable when either half is. Neither half blocks: next_event waits for both.
Result<void> join_halves(EventChannel& channel) {
  channel.both = Fd(epoll_create1(EPOLL_CLOEXEC));
  if (!channel.both) return Error{errno};
  for (int half : {channel.queue->fd(), channel.native->fd}) {
    epoll_event readable{EPOLLIN, {}};
    if (epoll_ctl(channel.both.get(), EPOLL_CTL_ADD, half, &readable) != 0) return Error{errno};
    if (fcntl(half, F_SETFL, fcntl(half, F_GETFL) | O_NONBLOCK) != 0) return Error{errno};
  }
  channel.abi.fd = channel.both.get();
  return {};
}

}  // namespace

bool make_native() { return native::inside_fabric() || config().native == Native::only; }

bool ours(const rdma_event_channel* channel) {
  std::lock_guard guard(channels().lock);
  return channels().ours.contains(channel);
}

Result<EventChannel*> create_channel() {
  prepare_unwinding();
  auto channel = std::make_unique<EventChannel>();
  if (auto opened = channel->queue->open(); !opened) return Error{opened.error()};
  channel->abi.fd = channel->queue->fd();
  channel->native.reset(open_native_channel());
  if (channel->native) {
    if (auto joined = join_halves(*channel); !joined) return Error{joined.error()};
  }
  std::lock_guard guard(channels().lock);
  channels().ours.insert(channel.get());
  return channel.release();
}

/// The half of real devices stays as long as the rest: a thread may be on its way to it.
void destroy_channel(EventChannel& channel) {
  std::unique_ptr<EventChannel> oldest(&channel);
  Channels& all = channels();
  std::lock_guard guard(all.lock);
  all.ours.erase(&channel);
  channel.queue->close();
  channel.both.reset();
  std::swap(oldest, all.destroyed[all.next++ % all.destroyed.size()]);
}

static bool just_destroyed(const rdma_event_channel* channel) {
  Channels& all = channels();
  std::lock_guard guard(all.lock);
  return std::any_of(all.destroyed.begin(), all.destroyed.end(),
                     [&](const auto& each) { return each && &each->abi == channel; });
}

/// A program that is about to end (see Channels) ends meanwhile; any other learns of its mistake. A cancellation point.
static int too_late() {
  constexpr int kGraceMilliseconds = 1000;
  return as_minus_one(Result<void>(Error{poll(nullptr, 0, kGraceMilliseconds) < 0 ? errno : EBADF}));
}

static rdma_event_channel* handle(EventChannel& channel) { return &channel.abi; }

}  // namespace vb::door

VB_DOOR rdma_event_channel* rdma_create_event_channel() {
  if (make_native()) return native_rdma_create_event_channel();
  return pointer_entry([] { return create_channel(); });
}

VB_DOOR void rdma_destroy_event_channel(rdma_event_channel* channel) {
  if (!ours(channel)) return native_rdma_destroy_event_channel(channel);
  destroy_channel(EventChannel::from(channel));
}

/// A cancellation point: no guard.
VB_DOOR int rdma_get_cm_event(rdma_event_channel* channel, rdma_cm_event** event) {
  if (!channel || !event) return as_minus_one(Result<void>(Error{EINVAL}));
  if (!ours(channel)) return just_destroyed(channel) ? too_late() : native_rdma_get_cm_event(channel, event);
  Result<rdma_cm_event*> next = next_event(EventChannel::from(channel));
  if (next) *event = *next;
  if (!next && next.error() == EBADF && just_destroyed(channel)) return too_late();
  return as_minus_one(next);
}

/// A request's identifier may be gone already, its listener waits.
VB_DOOR int rdma_ack_cm_event(rdma_cm_event* event) {
  if (!event) return as_minus_one(Result<void>(Error{EINVAL}));
  if (!ours(event->listen_id ? event->listen_id : event->id)) return native_rdma_ack_cm_event(event);
  release_event(HeldEvent::from(event));
  return 0;
}

VB_DOOR const char* rdma_event_str(rdma_cm_event_type type) { return event_text(type); }
