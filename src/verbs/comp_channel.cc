// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/comp_channel.h"

#include "transport/engine.h"
#include "verbs/cq.h"

namespace vb {

Result<CompChannel*> create_comp_channel(Context& context) {
  auto channel = std::make_unique<CompChannel>();
  if (auto opened = channel->events.open(); !opened) return Error{opened.error()};
  channel->abi.context = &context.abi.context;
  channel->abi.fd = channel->events.fd();
  ++context.uses;
  return channel.release();
}

Result<void> destroy_comp_channel(CompChannel& channel) {
  Context& context = Context::from(channel.abi.context);
  pthread_mutex_lock(&context.abi.context.mutex);
  bool used = channel.abi.refcnt != 0;
  pthread_mutex_unlock(&context.abi.context.mutex);
  if (used) return Error{EBUSY};
  delete &channel;
  release(context);
  return {};
}

Result<Cq*> get_cq_event(CompChannel& channel) {
  if (engine_started()) engine().helper.take_over();
  return channel.events.take([](Cq* cq) {
    pthread_mutex_lock(&cq->abi.mutex);
    ++cq->events_sent;
    pthread_mutex_unlock(&cq->abi.mutex);
  });
}

void ack_cq_events(Cq& cq, unsigned count) {
  if (count == 0) return;
  pthread_mutex_lock(&cq.abi.mutex);
  cq.abi.comp_events_completed += count;
  pthread_cond_broadcast(&cq.abi.cond);
  pthread_mutex_unlock(&cq.abi.mutex);
}

}  // namespace vb
