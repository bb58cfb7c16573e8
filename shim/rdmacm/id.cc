// SPDX-License-Identifier: BSD-2-Clause
// Identifiers: made, moved between channels, destroyed.
#include "cm/manager.h"
#include "door.h"
#include "native_id.h"

using namespace vb;
using namespace vb::door;

namespace vb::door {

const char id_mark = 'i';

namespace {

Result<ibv_qp_type> type_of(rdma_port_space space) {
  switch (space) {
    case RDMA_PS_TCP:
    case RDMA_PS_IB: return IBV_QPT_RC;
    case RDMA_PS_UDP:
    case RDMA_PS_IPOIB: return IBV_QPT_UD;
  }
  return Error{EINVAL};
}

/// Events of this identifier that the program has must come back first.
void wait_for_events(Id& id) {
  pthread_mutex_t* mutex = id.events_lock.native_handle();
  pthread_mutex_lock(mutex);
  while (id.events_completed != id.events_reported) pthread_cond_wait(&id.events_changed, mutex);
  pthread_mutex_unlock(mutex);
}

void give_back_own_event(Id& id) {
  if (rdma_cm_event* event = std::exchange(id.abi.event, nullptr)) release_event(HeldEvent::from(event));
}

}  // namespace

Result<void> Id::advance(Stage from, Stage to) {
  if (!stage.compare_exchange_strong(from, to)) return Error{EINVAL};
  return {};
}

Result<void> set_channel(Id& id, rdma_event_channel* channel) {
  id.sync = channel == nullptr;
  if (channel) {
    id.abi.channel = channel;
    return {};
  }
  auto own = create_channel();
  if (!own) return Error{own.error()};
  id.abi.channel = &(*own)->abi;
  return {};
}

Result<Id*> create_id(rdma_event_channel* channel, void* context, rdma_port_space space, ibv_qp_type type) {
  if (!type_of(space)) return Error{EINVAL};
  auto id = std::make_unique<Id>();
  if (auto set = set_channel(*id, channel); !set) return Error{set.error()};
  id->abi.context = context;
  id->abi.ps = space;
  id->abi.qp_type = type;
  if (auto made = make_protocol(*id); !made) {
    if (id->sync) destroy_channel(EventChannel::from(id->abi.channel));
    return Error{made.error()};
  }
  return id.release();
}

Result<void> make_protocol(Id& id) {
  auto manager = cm::Manager::get();
  if (!manager) return Error{manager.error()};
  id.protocol = std::make_shared<cm::Identifier>(**manager, static_cast<cm::Space>(id.abi.ps),
                                                 EventChannel::from(id.abi.channel).queue);
  id.protocol->owner = &id;
  return {};
}

Result<void> migrate_id(Id& id, rdma_event_channel* channel) {
  if (channel && !ours(channel)) return Error{EINVAL};
  if (auto present = id.present(); !present) return present;
  EventChannel* old_own = id.sync ? &EventChannel::from(id.abi.channel) : nullptr;
  if (old_own && !channel) return Error{EINVAL};
  if (id.native && channel && !EventChannel::from(channel).native) return Error{ENODEV};
  give_back_own_event(id);
  if (auto set = set_channel(id, channel); !set) return set;
  EventChannel& target = EventChannel::from(id.abi.channel);
  id.protocol->move_to(target.queue);
  if (id.native) {
    if (auto moved = migrate_native(id, target); !moved) return moved;
  }
  wait_for_events(id);
  if (old_own) destroy_channel(*old_own);
  return {};
}

Result<void> destroy_id(Id& id) {
  leave_all(id);
  id.protocol->close();
  give_back_own_event(id);
  if (id.native) drop_native(id);
  wait_for_events(id);
  if (id.sync) destroy_channel(EventChannel::from(id.abi.channel));
  delete &id;
  return {};
}

void keep_to_ours(rdma_cm_id* id) {
  if (ours(id)) Id::from(id).never_native = true;
}

}  // namespace vb::door

VB_DOOR int rdma_create_id(rdma_event_channel* channel, rdma_cm_id** id, void* context, rdma_port_space space) {
  if (channel ? !ours(channel) : make_native()) return native_rdma_create_id(channel, id, context, space);
  return minus_one_entry([&]() -> Result<void> {
    auto type = type_of(space);
    if (!type) return Error{type.error()};
    auto made = create_id(channel, context, space, *type);
    if (!made) return Error{made.error()};
    *id = &(*made)->abi;
    return {};
  });
}

VB_DOOR int rdma_destroy_id(rdma_cm_id* id) {
  if (!ours(id)) return native_rdma_destroy_id(id);
  return minus_one_entry([&] { return destroy_id(Id::from(id)); });
}

VB_DOOR int rdma_migrate_id(rdma_cm_id* id, rdma_event_channel* channel) {
  if (!ours(id)) return native_rdma_migrate_id(id, channel);
  return minus_one_entry([&] { return migrate_id(Id::from(id), channel); });
}
