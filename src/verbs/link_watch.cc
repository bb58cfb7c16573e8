// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/link_watch.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "base/log.h"
#include "transport/engine.h"
#include "verbs/async_events.h"
#include "verbs/context.h"
#include "verbs/device_registry.h"
#include "verbs/link_messages.h"

namespace vb {
namespace {

/// The watch of one engine: a forked child has an engine, and so a watch, of its own.
class LinkWatch final : public Pollable {
 public:
  explicit LinkWatch(Engine& engine) : owner(engine) {}
  Result<void> open();
  void add(Context& context);
  void remove(Context& context);
  void ready(uint32_t) override;

  Engine& owner;

 private:
  /// What the contexts of a device know.
  struct Known {
    Device* device = nullptr;
    std::vector<Context*> contexts;
    uint32_t netdev = 0;
    bool running = false;
    bool gone = false;
    std::vector<GidEntry> gids;
  };

  void handle(const LinkMessage& message);
  void link_changed(Known& known, bool running);
  void look_again(Known& known);
  void vanished(Known& known);
  static void tell(const Known& known, ibv_event_type type);

  std::mutex lock_;
  Fd socket_;
  std::list<Known> devices_;
};

std::atomic<LinkWatch*> current{nullptr};
std::atomic<void (*)(uint32_t)> listener{nullptr};

bool same(const std::vector<GidEntry>& a, const std::vector<GidEntry>& b) {
  const auto equal = [](const GidEntry& x, const GidEntry& y) {
    return x.valid == y.valid && std::memcmp(x.gid.raw, y.gid.raw, sizeof x.gid.raw) == 0;
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), equal);
}

/// The interface with that index, or one without a name.
Interface interface_at(uint32_t index, const std::vector<Interface>& all) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const Interface& each) { return each.index == index; });
  return found == all.end() ? Interface{} : *found;
}

Result<void> LinkWatch::open() {
  auto socket = open_link_messages();
  if (!socket) return Error{socket.error()};
  socket_ = std::move(*socket);
  owner.router.poller().add(socket_.get(), EPOLLIN, *this);
  return {};
}

void LinkWatch::add(Context& context) {
  const std::lock_guard guard(lock_);
  Device& device = *context.device;
  const std::shared_lock reading(device_lock());
  const auto same_interface = [&](const Known& each) {
    return each.device == &device && each.netdev == device.netdev && !each.gone;
  };
  const auto found = std::find_if(devices_.begin(), devices_.end(), same_interface);
  if (found != devices_.end()) return found->contexts.push_back(&context);
  devices_.push_back({&device, {&context}, device.netdev, link_running(device), false, device.gids});
}

void LinkWatch::remove(Context& context) {
  const std::lock_guard guard(lock_);
  for (Known& known : devices_) std::erase(known.contexts, &context);
  std::erase_if(devices_, [](const Known& known) { return known.contexts.empty(); });
}

void LinkWatch::tell(const Known& known, ibv_event_type type) {
  ibv_async_event event{};
  event.event_type = type;
  event.element.port_num = 1;
  for (Context* context : known.contexts) context->events->push(event);
}

void LinkWatch::link_changed(Known& known, bool running) {
  if (known.running == running) return;
  known.running = running;
  tell(known, running ? IBV_EVENT_PORT_ACTIVE : IBV_EVENT_PORT_ERR);
}

/// The addresses go first: who looks for the device from now on does not find it, who has found it before is told.
void LinkWatch::vanished(Known& known) {
  known.gone = true;
  {
    const std::unique_lock writing(device_lock());
    // Unless another interface has come by its name meanwhile.
    if (known.device->netdev == known.netdev) known.device->gids.assign(known.device->gids.size(), {});
  }
  link_changed(known, false);
  tell(known, IBV_EVENT_DEVICE_FATAL);
  owner.router.device_gone(known.device->index);
  if (auto* told = listener.load()) told(known.netdev);
}

void LinkWatch::look_again(Known& known) {
  const std::vector<Interface> all = list_interfaces();
  if (all.empty()) return;  // the system does not tell now
  const Interface netdev = interface_at(known.netdev, all);
  if (netdev.name.empty()) return vanished(known);
  {
    const std::unique_lock writing(device_lock());
    refresh_device(*known.device, netdev);
  }
  const std::vector<GidEntry> gids = make_gid_table(netdev);
  if (same(gids, known.gids)) return;
  known.gids = gids;
  tell(known, IBV_EVENT_GID_CHANGE);
}

void LinkWatch::handle(const LinkMessage& message) {
  for (Known& known : devices_) {
    if (known.gone || (message.netdev != 0 && message.netdev != known.netdev)) continue;
    if (message.is_link) link_changed(known, message.running);
    look_again(known);
    if (message.netdev == 0 && !known.gone) link_changed(known, link_running(*known.device));
  }
}

/// Rare, so it may take the time of a few system calls with the lane's lock.
void LinkWatch::ready(uint32_t) {
  const std::vector<LinkMessage> messages = read_link_messages(socket_.get());
  const std::lock_guard guard(lock_);
  for (const LinkMessage& message : messages) handle(message);
}

/// The watch of this process's engine, made at the first need; nullptr where the system does not allow it.
LinkWatch* watch_of_engine() {
  static std::atomic<bool> told{false};
  LinkWatch* watch = current.load();
  if (watch && &watch->owner == &engine()) return watch;
  if (auto started = start_helper(); !started) {
    log_once(told, LogLevel::warn, "no events of ports: no helper thread (%s)", strerror(started.error()));
    return nullptr;
  }
  auto fresh = std::make_unique<LinkWatch>(engine());
  if (!current.compare_exchange_strong(watch, fresh.get())) return watch;
  if (auto opened = fresh->open(); !opened) {
    log_once(told, LogLevel::warn, "no events of ports: no netlink socket (%s)", strerror(opened.error()));
  }
  return fresh.release();
}

}  // namespace

void on_interface_gone(void (*told)(uint32_t netdev)) { listener.store(told); }

void watch(Context& context) {
  if (LinkWatch* watch = watch_of_engine()) watch->add(context);
}

void unwatch(Context& context) {
  LinkWatch* watch = current.load();
  if (watch && &watch->owner == &engine()) watch->remove(context);
}

}  // namespace vb
