// SPDX-License-Identifier: BSD-2-Clause
// An event channel: what happens to identifiers, behind a real file descriptor.
#pragma once

#include <mutex>
#include <vector>

#include "base/spinlock.h"
#include "cm/types.h"
#include "verbs/event_queue.h"

namespace vb::cm {

class Channel : public EventQueue<Event> {
 public:
  /// Forgets what waits, and what comes.
  void close() {
    {
      std::lock_guard guard(pushing_);
      closed_ = true;
    }
    EventQueue::close();
  }
  bool closed() {
    std::lock_guard guard(pushing_);
    return closed_;
  }
  void push(const Event& event) {
    std::lock_guard guard(pushing_);
    if (!closed_) EventQueue::push(event);
  }

  static bool about(const Event& event, const Identifier& id) {
    return event.id.get() == &id || event.listener.get() == &id;
  }
  /// Takes out what waits of one identifier, and of the requests to it.
  std::vector<Event> extract(const Identifier& id) {
    return extract_if([&](const Event& event) { return about(event, id); });
  }
  /// Takes out the requests to a listener, and no more.
  std::vector<Event> extract_requests(const Identifier& listener) {
    return extract_if([&](const Event& event) { return event.listener.get() == &listener; });
  }

 private:
  template <class Predicate>
  std::vector<Event> extract_if(Predicate predicate) {
    std::vector<Event> taken;
    remove([&](const Event& event) {
      if (!predicate(event)) return false;
      taken.push_back(event);
      return true;
    });
    return taken;
  }

  SpinLock pushing_;
  bool closed_ = false;
};

}  // namespace vb::cm
