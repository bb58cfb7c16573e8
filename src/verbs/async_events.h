// SPDX-License-Identifier: BSD-2-Clause
// Asynchronous events of a context. ibv_get_async_event(3).
#pragma once

#include <infiniband/verbs.h>

#include "verbs/event_queue.h"

namespace vb {

class AsyncEvents : public EventQueue<ibv_async_event> {
 public:
  /// Whether `event` is about the object at `element`.
  static bool about(const ibv_async_event& event, const void* element) { return event.element.cq == element; }
};

/// Waits until the program has acknowledged `sent` events of an object that it destroys.
inline void wait_for_acks(pthread_mutex_t& mutex, pthread_cond_t& cond, const uint32_t& completed,
                          const unsigned& sent) {
  pthread_mutex_lock(&mutex);
  while (completed != sent && static_cast<int32_t>(completed - sent) < 0) pthread_cond_wait(&cond, &mutex);
  pthread_mutex_unlock(&mutex);
}

}  // namespace vb
