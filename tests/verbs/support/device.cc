// SPDX-License-Identifier: BSD-2-Clause
#include "support/device.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace vt {
namespace {

struct DeviceList {
  int count = 0;
  ibv_device** list = ibv_get_device_list(&count);
  ~DeviceList() {
    if (list) ibv_free_device_list(list);
  }
};

ibv_device* find_device(const DeviceList& devices) {
  const char* wanted = std::getenv("VERBATIM_TEST_DEVICE");
  for (int i = 0; i < devices.count; ++i)
    if (!wanted || !*wanted || std::strcmp(ibv_get_device_name(devices.list[i]), wanted) == 0) return devices.list[i];
  return nullptr;
}

int first_gid(ibv_context* context, bool (*fits)(const ibv_gid&)) {
  ibv_port_attr port{};
  ibv_query_port(context, kPort, &port);
  for (int i = 0; i < std::min(port.gid_tbl_len, 16); ++i)
    if (ibv_gid gid{}; ibv_query_gid(context, kPort, i, &gid) == 0 && fits(gid)) return i;
  return -1;
}

bool name_begins(const char* prefix) {
  static const std::string name = device_name();
  return name.rfind(prefix, 0) == 0;
}

}  // namespace

std::string device_name() {
  DeviceList devices;
  ibv_device* device = find_device(devices);
  if (!device) throw std::runtime_error("no verbs device to test (VERBATIM_TEST_DEVICE names it)");
  return ibv_get_device_name(device);
}

ContextPtr open_device() {
  DeviceList devices;
  ibv_device* device = find_device(devices);
  if (!device) throw std::runtime_error("no verbs device to test (VERBATIM_TEST_DEVICE names it)");
  ContextPtr context(ibv_open_device(device));
  if (!context) throw std::runtime_error("ibv_open_device failed");
  return context;
}

bool is_v4_mapped(const ibv_gid& gid) {
  static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::memcmp(gid.raw, prefix, sizeof prefix) == 0;
}

ibv_gid gid_at(ibv_context* context, int index) {
  ibv_gid gid{};
  if (ibv_query_gid(context, kPort, index, &gid)) throw std::runtime_error("ibv_query_gid failed");
  return gid;
}

int gid_index(ibv_context* context) {
  if (const char* wanted = std::getenv("VERBATIM_TEST_GID_INDEX"); wanted && *wanted) return std::atoi(wanted);
  const int found = first_gid(context, is_v4_mapped);
  return found < 0 ? 1 : found;
}

int ipv6_gid_index(ibv_context* context) {
  return first_gid(context, [](const ibv_gid& gid) {
    static const ibv_gid empty{};
    return !is_v4_mapped(gid) && std::memcmp(&gid, &empty, sizeof gid) != 0;
  });
}

ibv_mtu active_mtu(ibv_context* context) {
  ibv_port_attr port{};
  if (ibv_query_port(context, kPort, &port)) throw std::runtime_error("ibv_query_port failed");
  return port.active_mtu;
}

bool device_is_rxe() { return name_begins("rxe"); }
bool device_is_ours() { return name_begins("vb_"); }

}  // namespace vt
