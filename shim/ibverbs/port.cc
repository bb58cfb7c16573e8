// SPDX-License-Identifier: BSD-2-Clause
// Ports, GIDs and partition keys.
#include "door.h"

using namespace vb;
using namespace vb::door;

/// This symbol's structure ends before what came later; newer programs use verbs_context.query_port.
VB_DOOR int ibv_query_port(ibv_context* context, uint8_t port, _compat_ibv_port_attr* attr) {
  if (!ours(context)) return native_ibv_query_port(context, port, attr);
  constexpr size_t kFirstSize = 48;
  return errno_entry([&] { return query_port(context, port, attr, kFirstSize); });
}

VB_DOOR int ibv_query_port_speed(ibv_context* context, uint32_t port, uint64_t* speed) {
  if (!ours(context)) return native_ibv_query_port_speed(context, port, speed);
  Result<uint64_t> result = guarded([&] { return query_port_speed(context, port); });
  if (result) *speed = *result;
  return result.error();
}

/// An empty entry of the table reads as zeros here.
VB_DOOR int ibv_query_gid(ibv_context* context, uint8_t port, int index, ibv_gid* gid) {
  if (!ours(context)) return native_ibv_query_gid(context, port, index, gid);
  Result<ibv_gid> result = guarded([&] { return query_gid(context, port, index); });
  *gid = result ? *result : ibv_gid{};
  return result.error() == ENODATA ? 0 : as_minus_one(result);
}

VB_DOOR int _ibv_query_gid_ex(ibv_context* context, uint32_t port, uint32_t index, ibv_gid_entry* entry, uint32_t flags,
                              size_t entry_size) {
  if (!ours(context)) return native__ibv_query_gid_ex(context, port, index, entry, flags, entry_size);
  return errno_entry([&] { return query_gid_ex(context, port, index, entry, flags, entry_size); });
}

VB_DOOR ssize_t _ibv_query_gid_table(ibv_context* context, ibv_gid_entry* entries, size_t max_entries, uint32_t flags,
                                     size_t entry_size) {
  if (!ours(context)) return native__ibv_query_gid_table(context, entries, max_entries, flags, entry_size);
  Result<size_t> count = guarded([&] { return query_gid_table(context, entries, max_entries, flags, entry_size); });
  return count ? static_cast<ssize_t>(*count) : -count.error();
}

/// An empty entry counts as the older kind, as upstream has it.
VB_DOOR int ibv_query_gid_type(ibv_context* context, uint8_t port, unsigned index, ibv_gid_type_sysfs* type) {
  if (!ours(context)) return native_ibv_query_gid_type(context, port, index, type);
  Result<ibv_gid> gid = guarded([&] { return query_gid(context, port, static_cast<int>(index)); });
  *type = gid ? IBV_GID_TYPE_SYSFS_ROCE_V2 : IBV_GID_TYPE_SYSFS_IB_ROCE_V1;
  return gid.error() == ENODATA ? 0 : as_minus_one(gid);
}

VB_DOOR int ibv_query_pkey(ibv_context* context, uint8_t port, int index, __be16* pkey) {
  if (!ours(context)) return native_ibv_query_pkey(context, port, index, pkey);
  Result<uint16_t> result = guarded([&] { return query_pkey(context, port, index); });
  if (result) *pkey = *result;
  return as_minus_one(result);
}

VB_DOOR int ibv_get_pkey_index(ibv_context* context, uint8_t port, __be16 pkey) {
  if (!ours(context)) return native_ibv_get_pkey_index(context, port, pkey);
  Result<int> index = guarded([&] { return pkey_index(context, port, pkey); });
  return index ? *index : as_minus_one(index);
}
