// SPDX-License-Identifier: BSD-2-Clause
// Flow steering. Specifications have kept their layout, but for IPv6 without its further fields.
#include "verbs/flow.h"

#include <cstring>
#include <vector>

#include "exp/door.h"

namespace vb::exp {
namespace {

constexpr uint32_t kInner = IBV_EXP_FLOW_SPEC_INNER;

struct ExpFlow {
  ibv_exp_flow abi{};
  Flow* flow = nullptr;
};

ibv_exp_flow* handle(ExpFlow& flow) { return &flow.abi; }

/// The attributes and specifications of today, one behind the other.
class Translation {
 public:
  explicit Translation(const ibv_exp_flow_attr& attr) {
    ibv_flow_attr now{};
    now.type = static_cast<ibv_flow_attr_type>(attr.type);
    now.priority = attr.priority;
    now.num_of_specs = attr.num_of_specs;
    now.port = attr.port;
    append(&now, sizeof now);
  }
  Result<void> add(const unsigned char* at, uint32_t type, uint16_t size);
  const ibv_flow_attr& attr() {
    auto* now = reinterpret_cast<ibv_flow_attr*>(bytes_.data());
    now->size = static_cast<uint16_t>(bytes_.size());
    return *now;
  }

 private:
  void append(const void* from, size_t size) {
    const auto* begin = static_cast<const unsigned char*>(from);
    bytes_.insert(bytes_.end(), begin, begin + size);
  }
  std::vector<unsigned char> bytes_;
};

ibv_flow_spec_ipv6 extended(const ibv_exp_flow_spec_ipv6& spec) {
  ibv_flow_spec_ipv6 now{};
  now.type = static_cast<ibv_flow_spec_type>(IBV_FLOW_SPEC_IPV6 | (spec.type & kInner));
  now.size = sizeof now;
  std::memcpy(static_cast<void*>(&now.val), &spec.val, sizeof spec.val);
  std::memcpy(static_cast<void*>(&now.mask), &spec.mask, sizeof spec.mask);
  return now;
}

Result<void> Translation::add(const unsigned char* at, uint32_t type, uint16_t size) {
  static_assert(sizeof(ibv_exp_flow_spec_ipv6_ext) == sizeof(ibv_flow_spec_ipv6));
  static_assert(sizeof(ibv_exp_flow_spec_eth) == sizeof(ibv_flow_spec_eth));
  static_assert(sizeof(ibv_exp_flow_spec_ipv4_ext) == sizeof(ibv_flow_spec_ipv4_ext));
  switch (type & ~kInner) {
    case IBV_EXP_FLOW_SPEC_IPV6: {
      ibv_exp_flow_spec_ipv6 spec;
      if (size < sizeof spec) return Error{EINVAL};
      std::memcpy(static_cast<void*>(&spec), at, sizeof spec);
      const ibv_flow_spec_ipv6 now = extended(spec);
      append(&now, sizeof now);
      return {};
    }
    case IBV_EXP_FLOW_SPEC_IPV6_EXT: {
      const size_t start = bytes_.size();
      append(at, size);
      const uint32_t now = IBV_FLOW_SPEC_IPV6 | (type & kInner);
      std::memcpy(bytes_.data() + start, &now, sizeof now);
      return {};
    }
    default: append(at, size); return {};
  }
}

Result<void> add_all(Translation& translation, const ibv_exp_flow_attr& attr) {
  const auto* at = reinterpret_cast<const unsigned char*>(&attr + 1);
  for (int i = 0; i < attr.num_of_specs; ++i) {
    uint32_t type;
    uint16_t size;
    std::memcpy(&type, at, sizeof type);
    std::memcpy(&size, at + sizeof type, sizeof size);
    if (size < sizeof type + sizeof size) return Error{EINVAL};
    if (auto added = translation.add(at, type, size); !added) return added;
    at += size;
  }
  return {};
}

Result<ExpFlow*> make_flow(Qp& qp, const ibv_exp_flow_attr& attr) {
  if (attr.flags & ~uint32_t{IBV_EXP_FLOW_ATTR_FLAGS_ALLOW_LOOP_BACK}) return Error{EINVAL};
  Translation translation(attr);
  if (auto added = add_all(translation, attr); !added) return Error{added.error()};
  auto own = std::make_unique<ExpFlow>();
  auto flow = create_flow(qp, translation.attr());
  if (!flow) return Error{flow.error()};
  own->flow = *flow;
  own->abi = {(*flow)->abi.context, (*flow)->abi.handle};
  return own.release();
}

ibv_exp_flow* create(ibv_qp* qp, ibv_exp_flow_attr* attr) {
  return pointer_entry([&] { return make_flow(Qp::from(qp), *attr); });
}

int destroy(ibv_exp_flow* flow) {
  auto* own = reinterpret_cast<ExpFlow*>(flow);
  const int error = errno_entry([&] { return destroy_flow(*own->flow); });
  if (error == 0) delete own;
  return error;
}

}  // namespace

void overlay_flows(verbs_context_exp& table) {
  table.drv_exp_ibv_create_flow = table.lib_exp_ibv_create_flow = create;
  table.drv_exp_ibv_destroy_flow = table.lib_exp_ibv_destroy_flow = destroy;
}

}  // namespace vb::exp
