// SPDX-License-Identifier: BSD-2-Clause
// rdma_set_option.
#include <cstring>

#include "door.h"
#include "native_id.h"

using namespace vb;
using namespace vb::door;

namespace vb::door {

namespace {

template <class Value>
Result<Value> value_of(const void* data, size_t size) {
  Value value;
  if (!data || size != sizeof value) return Error{EINVAL};
  memcpy(&value, data, sizeof value);
  return value;
}

Result<void> set_type_of_service(Id& id, const void* data, size_t size) {
  auto value = value_of<uint8_t>(data, size);
  if (!value) return Error{value.error()};
  id.traffic_class = *value;
  id.traffic_class_set = true;
  return {};
}

Result<void> set_reuse(Id& id, const void* data, size_t size) {
  auto value = value_of<int>(data, size);
  if (!value) return Error{value.error()};
  // Once bound, a port's sharing cannot be taken back.
  if (id.stage != Stage::kIdle && !(id.stage == Stage::kBound && *value)) return Error{EINVAL};
  id.socket_options.reuse = *value != 0;
  return {};
}

Result<void> set_family_only(Id& id, const void* data, size_t size) {
  auto value = value_of<int>(data, size);
  if (!value) return Error{value.error()};
  if (id.stage != Stage::kIdle) return Error{EINVAL};
  id.socket_options.v6_only_given = true;
  id.socket_options.v6_only = *value != 0;
  return {};
}

Result<void> set_ack_timeout(Id& id, const void* data, size_t size) {
  auto value = value_of<uint8_t>(data, size);
  if (!value) return Error{value.error()};
  if (id.datagram()) return Error{EINVAL};
  id.ack_timeout = *value & 31;
  return {};
}

/// A path that the program has found by itself stands for a resolved route.
Result<void> set_path(Id& id, const void* data, size_t size) {
  if (!data || size == 0 || size % sizeof(ibv_path_data) != 0) return Error{EINVAL};
  return resolve_route(id, 0);
}

Result<void> set_own_option(Id& id, int level, int name, const void* data, size_t size) {
  if (level == RDMA_OPTION_IB) return name == RDMA_OPTION_IB_PATH ? set_path(id, data, size) : Error{ENOSYS};
  if (level != RDMA_OPTION_ID) return Error{ENOSYS};
  switch (name) {
    case RDMA_OPTION_ID_TOS: return set_type_of_service(id, data, size);
    case RDMA_OPTION_ID_REUSEADDR: return set_reuse(id, data, size);
    case RDMA_OPTION_ID_AFONLY: return set_family_only(id, data, size);
    case RDMA_OPTION_ID_ACK_TIMEOUT: return set_ack_timeout(id, data, size);
    default: return Error{ENOSYS};
  }
}

Result<void> set_option(Id& id, int level, int name, void* data, size_t size) {
  if (!id.is_native()) {
    if (auto present = id.present(); !present) return present;
    if (auto set = set_own_option(id, level, name, data, size); !set || !id.native) return set;
  }
  return on_native(id, [&](rdma_cm_id* native) { return native_rdma_set_option(native, level, name, data, size); });
}

}  // namespace

}  // namespace vb::door

VB_DOOR int rdma_set_option(rdma_cm_id* id, int level, int name, void* value, size_t size) {
  if (!ours(id)) return native_rdma_set_option(id, level, name, value, size);
  return minus_one_entry([&] { return set_option(Id::from(id), level, name, value, size); });
}
