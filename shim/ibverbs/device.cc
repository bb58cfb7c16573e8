// SPDX-License-Identifier: BSD-2-Clause
// Devices: listing, names, queries that need an open one.
#include "device_list.h"
#include "door.h"

using namespace vb;
using namespace vb::door;

VB_DOOR ibv_device** ibv_get_device_list(int* count) {
  Result<ibv_device**> list = guarded([&] { return make_device_list(count); });
  if (list) return *list;
  errno = list.error();
  return nullptr;
}

VB_DOOR void ibv_free_device_list(ibv_device** list) {
  if (!list || free_device_list(list)) return;
  native_ibv_free_device_list(list);
}

VB_DOOR const char* ibv_get_device_name(ibv_device* device) { return device->name; }

VB_DOOR __be64 ibv_get_device_guid(ibv_device* device) {
  return ours(device) ? Device::from(device).guid : native_ibv_get_device_guid(device);
}

VB_DOOR int ibv_get_device_index(ibv_device* device) {
  return ours(device) ? static_cast<int>(Device::from(device).index) : native_ibv_get_device_index(device);
}

VB_DOOR int ibv_query_device(ibv_context* context, ibv_device_attr* attr) {
  if (!ours(context)) return native_ibv_query_device(context, attr);
  return errno_entry([&] { return query_device(context, *attr); });
}
