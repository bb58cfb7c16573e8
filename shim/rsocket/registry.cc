// SPDX-License-Identifier: BSD-2-Clause
#include "rsocket/registry.h"

#include <shared_mutex>
#include <vector>

#include "base/never_destroyed.h"

namespace vb::rsocket {

namespace {

struct Registry {
  std::shared_mutex lock;
  std::vector<std::shared_ptr<Socket>> sockets;  ///< by descriptor
};

Registry& registry() {
  static NeverDestroyed<Registry> all;
  return *all;
}

}  // namespace

void add(std::shared_ptr<Socket> socket) {
  Registry& all = registry();
  std::unique_lock guard(all.lock);
  auto index = static_cast<size_t>(socket->fd());
  if (index >= all.sockets.size()) all.sockets.resize(index * 2 + 1);
  all.sockets[index] = std::move(socket);
}

std::shared_ptr<Socket> find(int fd) {
  Registry& all = registry();
  std::shared_lock guard(all.lock);
  auto index = static_cast<size_t>(fd);
  return fd >= 0 && index < all.sockets.size() ? all.sockets[index] : nullptr;
}

std::shared_ptr<Socket> remove(int fd) {
  Registry& all = registry();
  std::unique_lock guard(all.lock);
  auto index = static_cast<size_t>(fd);
  return fd >= 0 && index < all.sockets.size() ? std::exchange(all.sockets[index], nullptr) : nullptr;
}

}  // namespace vb::rsocket
