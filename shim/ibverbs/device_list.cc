// SPDX-License-Identifier: BSD-2-Clause
#include "device_list.h"

#include <dlfcn.h>

#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "base/config.h"
#include "base/never_destroyed.h"
#include "door.h"
#include "forward.h"
#include "native/inside_fabric.h"
#include "native/library.h"

namespace vb::door {
namespace {

struct Array {
  std::vector<ibv_device*> devices;  // ends with nullptr; its data is what the program holds
  ibv_device** native = nullptr;
};

std::mutex mutex;

std::map<ibv_device**, Array>& arrays() {
  static NeverDestroyed<std::map<ibv_device**, Array>> value;
  return *value;
}

Result<void> check_options() {
  static std::atomic<bool> done{false};
  if (config().error.empty()) return {};
  log_once(done, LogLevel::error, "%s; no device is shown until it is corrected", config().error.c_str());
  return Error{EINVAL};
}

Result<void> add_ours(Array& list) {
  Result<std::vector<Device*>> devices = list_devices();
  if (!devices) return Error{devices.error()};
  for (Device* device : *devices) list.devices.push_back(&device->abi);
  return {};
}

/// Provider libraries read this byte of our door; the system's library sets it, when it starts, in a copy of its own.
void copy_native_settings() {
  constexpr char kName[] = "verbs_allow_disassociate_destroy";
  for (const char* const* node = ibverbs_private_nodes; *node; ++node) {
    const void* theirs = native::find_symbol(native::Library::ibverbs, kName, *node);
    void* shown = theirs ? ::dlvsym(RTLD_DEFAULT, kName, *node) : nullptr;
    if (shown && shown != theirs) std::memcpy(shown, theirs, 1);
  }
}

/// ENOSYS is the system library's word for a kernel without RDMA.
Result<void> add_native(Array& list) {
  int count = 0;
  list.native = native_ibv_get_device_list(&count);
  if (!list.native) return Error{errno ? errno : ENOSYS};
  copy_native_settings();
  list.devices.insert(list.devices.end(), list.native, list.native + count);
  return {};
}

Result<void> collect(Array& list) {
  const bool only_native = native::inside_fabric() || config().native == Native::only;
  if (only_native) return config().native == Native::off ? Result<void>{} : add_native(list);
  if (Result<void> added = add_ours(list); !added) return added;
  if (config().native == Native::on) (void)add_native(list).error();
  return {};
}

}  // namespace

Result<ibv_device**> make_device_list(int* count) {
  if (count) *count = 0;
  if (Result<void> valid = check_options(); !valid) return Error{valid.error()};
  Array list;
  if (Result<void> collected = collect(list); !collected) return Error{collected.error()};
  const int found = static_cast<int>(list.devices.size());
  list.devices.push_back(nullptr);
  ibv_device** array = list.devices.data();
  std::lock_guard lock(mutex);
  arrays().emplace(array, std::move(list));
  if (count) *count = found;
  return array;
}

bool free_device_list(ibv_device** list) {
  std::unique_lock lock(mutex);
  auto node = arrays().extract(list);
  lock.unlock();
  if (node.empty()) return false;
  if (node.mapped().native) native_ibv_free_device_list(node.mapped().native);
  return true;
}

}  // namespace vb::door
