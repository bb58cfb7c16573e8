// SPDX-License-Identifier: BSD-2-Clause
// Virtual RDMA devices: one per usable network interface, named vb_<netdev>.
#pragma once

#include <infiniband/verbs.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "base/export.h"
#include "base/result.h"

namespace vb {

/// The mark in ibv_device::_ops that says "ours". Compared, never called.
VB_API extern const char device_mark;

struct GidEntry {
  union ibv_gid gid {};
  bool valid = false;
};

/// A device lives for ever once listed, so that a program's pointer never dangles.
struct Device {
  ibv_device abi{};
  // Vendor libraries read the pointer that follows ibv_device to recognise their own devices: it must be NULL.
  void* foreign[8] = {};
  uint32_t index = 0;      ///< ibv_get_device_index
  uint64_t guid = 0;       ///< network byte order
  uint64_t link_mbps = 0;  ///< 0: not known
  // Refreshed at any time, and read without the lock of what else is (device_registry.h).
  std::atomic<uint32_t> netdev{0};  ///< interface index
  std::atomic<uint32_t> mtu{0};     ///< of the interface, bytes
  std::atomic<uint32_t> qkey_violations{0};
  std::vector<GidEntry> gids;  ///< kGidTableLength entries

  static Device& from(ibv_device* device) { return *reinterpret_cast<Device*>(device); }
};

inline bool ours(const ibv_device* device) {
  return reinterpret_cast<const void*>(device->_ops._dummy1) == &device_mark;
}
inline bool ours(const ibv_context* context) { return ours(context->device); }

inline constexpr int kGidTableLength = 16;
inline constexpr int kPkeyTableLength = 1;

/// The devices of this host now, in a stable order; honours the options `device`. Needs no libfabric.
VB_API Result<std::vector<Device*>> list_devices();

// Queries; `context` is always ours. port counts from 1. Errors: EINVAL for a bad port or index, ENODATA for an empty
// GID.
VB_API Result<void> query_device(ibv_context* context, ibv_device_attr& attr);
VB_API Result<void> query_device_ex(ibv_context* context, const ibv_query_device_ex_input* input,
                                    ibv_device_attr_ex* attr, size_t attr_size);
VB_API Result<void> query_port(ibv_context* context, uint8_t port, void* attr, size_t attr_size);
VB_API Result<uint64_t> query_port_speed(ibv_context* context, uint32_t port);  ///< in units of 100 Mb/s
VB_API Result<union ibv_gid> query_gid(ibv_context* context, uint8_t port, int index);
VB_API Result<void> query_gid_ex(ibv_context* context, uint32_t port, uint32_t index, ibv_gid_entry* entry,
                                 uint32_t flags, size_t entry_size);
/// The number of entries written. EINVAL when `max_entries` is too small for the table.
VB_API Result<size_t> query_gid_table(ibv_context* context, ibv_gid_entry* entries, size_t max_entries, uint32_t flags,
                                      size_t entry_size);
VB_API Result<uint16_t> query_pkey(ibv_context* context, uint8_t port, int index);  ///< network byte order
VB_API Result<int> pkey_index(ibv_context* context, uint8_t port, uint16_t pkey);
VB_API Result<void> query_rt_values(ibv_context* context, ibv_values_ex& values);

}  // namespace vb
