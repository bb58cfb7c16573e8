// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/device.h"

#include <net/if.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/config.h"
#include "base/device_name.h"
#include "base/never_destroyed.h"
#include "verbs/device_registry.h"

namespace vb {

const char device_mark = 'v';

namespace {

constexpr std::string_view kPrefix = kDevicePrefix;
/// The kernel numbers its uverbs devices below this: ours cannot be taken for one of them.
constexpr uint32_t kFirstUverbs = 1024;

using Registry = std::map<std::string, std::unique_ptr<Device>>;

/// Threads of the program may still hold devices while the process exits.
Registry& registry() {
  static NeverDestroyed<Registry> devices;
  return *devices;
}

template <size_t size>
void set_name(char (&field)[size], const std::string& text) {
  field[text.copy(field, size - 1)] = '\0';
}

void fill_abi(ibv_device& abi, const std::string& name, uint32_t number) {
  using Mark = decltype(abi._ops._dummy1);
  const std::string uverbs = "uverbs" + std::to_string(number);
  abi._ops._dummy1 = reinterpret_cast<Mark>(const_cast<char*>(&device_mark));
  abi.node_type = IBV_NODE_CA;
  abi.transport_type = IBV_TRANSPORT_IB;
  set_name(abi.name, name);
  // Programs build /dev/infiniband/<dev_name> and sysfs paths from these, and some read the number behind "uverbs".
  set_name(abi.dev_name, uverbs);
  set_name(abi.dev_path, "/sys/class/infiniband_verbs/" + uverbs);
  set_name(abi.ibdev_path, "/sys/class/infiniband/" + name);
}

/// Lock held.
Device& find_or_make(const Interface& netdev) {
  const std::string name = std::string(kPrefix) + netdev.name;
  std::unique_ptr<Device>& slot = registry()[name];
  if (!slot) {
    slot = std::make_unique<Device>();
    slot->index = kFirstUverbs + netdev.index;
    slot->guid = make_guid(netdev);
    fill_abi(slot->abi, name, slot->index);
  }
  return *slot;
}

void report_absent(const std::string& name) {
  static std::atomic<bool> done{false};
  log_once(done, LogLevel::warn,
           "option device: no usable network interface for '%s' (it must be up and have an address)", name.c_str());
}

/// The interfaces that the option names (with or without vb_), in its order.
std::vector<Interface> named(const std::vector<Interface>& all, const Names& option) {
  std::vector<Interface> chosen;
  for (const std::string& item : option) {
    const std::string name = item.starts_with(kPrefix) ? item.substr(kPrefix.size()) : item;
    const auto match = [&](const Interface& netdev) { return netdev.name == name && netdev.usable(); };
    const auto found = std::find_if(all.begin(), all.end(), match);
    if (found != all.end()) {
      chosen.push_back(*found);
    } else {
      report_absent(item);
    }
  }
  return chosen;
}

std::vector<Interface> choose(const std::vector<Interface>& all, const Names& option) {
  if (!option.empty()) return named(all, option);
  std::vector<Interface> chosen;
  const auto pick = [&](bool loopback) {
    std::copy_if(all.begin(), all.end(), std::back_inserter(chosen),
                 [&](const Interface& netdev) { return netdev.usable() && netdev.loopback() == loopback; });
  };
  pick(false);
  if (chosen.empty()) pick(true);
  return chosen;
}

}  // namespace

std::shared_mutex& device_lock() {
  static NeverDestroyed<std::shared_mutex> lock;
  return *lock;
}

void refresh_device(Device& device, const Interface& netdev) {
  device.netdev = netdev.index;
  device.link_mbps = netdev.link_mbps;
  device.mtu = netdev.mtu;
  const std::vector<GidEntry> table = make_gid_table(netdev);
  device.gids.resize(table.size());
  std::copy(table.begin(), table.end(), device.gids.begin());
}

bool link_running(const Device& device) {
  constexpr unsigned kRunning = IFF_UP | IFF_RUNNING;
  return (interface_flags(device.abi.name + kPrefix.size()) & kRunning) == kRunning;
}

Result<std::vector<Device*>> list_devices() {
  const std::vector<Interface> interfaces = choose(list_interfaces(), config().device);
  std::vector<Device*> devices;
  const std::unique_lock guard(device_lock());
  for (const Interface& netdev : interfaces) {
    Device& device = find_or_make(netdev);
    refresh_device(device, netdev);
    devices.push_back(&device);
  }
  return devices;
}

}  // namespace vb
