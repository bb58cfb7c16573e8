// SPDX-License-Identifier: BSD-2-Clause
// What contexts of one command descriptor share: the objects that can be imported by their handle numbers. The
// descriptor (ibv_context::cmd_fd) is a memfd that says which device it belongs to and which share: it can be
// duplicated and passed to other processes, as the kernel's can.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <variant>

#include "base/result.h"

namespace vb {

struct Domain;
struct DeviceMemory;
struct SharedRegion;

/// Thread safe.
class Share {
 public:
  /// Takes an object in and gives it a handle number, which is never used again.
  template <class T>
  uint32_t add(const std::shared_ptr<T>& object) {
    std::lock_guard guard(mutex_);
    objects_[++last_] = object;
    return last_;
  }
  void remove(uint32_t handle) {
    std::lock_guard guard(mutex_);
    objects_.erase(handle);
  }
  /// nullptr: no such object.
  template <class T>
  std::shared_ptr<T> find(uint32_t handle) {
    std::lock_guard guard(mutex_);
    auto found = objects_.find(handle);
    if (found == objects_.end()) return nullptr;
    auto* object = std::get_if<std::shared_ptr<T>>(&found->second);
    return object ? *object : nullptr;
  }
  /// Of another process: its objects are not here.
  bool foreign = false;

 private:
  std::mutex mutex_;
  uint32_t last_ = 0;
  std::map<uint32_t,
           std::variant<std::shared_ptr<Domain>, std::shared_ptr<DeviceMemory>, std::shared_ptr<SharedRegion>>>
      objects_;
};

struct OpenShare {
  std::shared_ptr<Share> share;
  std::string device;
  int fd;  ///< owned by who asked; -1: the system gives no memfd
};

/// A new share and its descriptor.
OpenShare make_share(const char* device);
/// The share that a descriptor leads to. Does not take `fd` over. EINVAL: not such a descriptor.
Result<OpenShare> find_share(int fd);

}  // namespace vb
