// SPDX-License-Identifier: BSD-2-Clause
// repoll_*: epoll for rsockets. They are ours unless only real devices are to be used.
#include "base/config.h"
#include "entry.h"
#include "rsocket/entry_points.h"
#include "rsocket/epoll.h"

using namespace vb;
using namespace vb::door;

namespace {

bool ours_here() { return config().native != Native::only; }

int as_count(Result<int> result) {
  if (result) return *result;
  errno = result.error();
  return -1;
}

}  // namespace

VB_DOOR int repoll_create(int flags) {
  if (!ours_here()) return native_repoll_create(flags);
  return as_count(guarded([&] { return rsocket::epoll_create(flags); }));
}

VB_DOOR int repoll_ctl(int set, int operation, int fd, epoll_event* event) {
  if (!ours_here()) return native_repoll_ctl(set, operation, fd, event);
  return minus_one_entry([&] { return rsocket::epoll_control(set, operation, fd, event); });
}

VB_DOOR int repoll_wait(int set, epoll_event* events, int room, int timeout) {
  if (!ours_here()) return native_repoll_wait(set, events, room, timeout);
  return as_count(guarded([&] { return rsocket::epoll_wait(set, events, room, timeout); }));
}
