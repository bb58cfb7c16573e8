// SPDX-License-Identifier: BSD-2-Clause
// Port attributes and the P_Key table: a RoCE v2 port on the network interface's link.
#include <endian.h>

#include <algorithm>
#include <cstring>

#include "verbs/device_registry.h"
#include "verbs/limits.h"

namespace vb {
namespace {

constexpr uint16_t kDefaultPkey = 0xffff;
constexpr uint64_t kLoopbackMbps = 100'000;
constexpr uint64_t kUnknownMbps = 10'000;
constexpr uint8_t kPhysStateDisabled = 3;
constexpr uint8_t kPhysStateLinkUp = 5;

/// The newest ibv_port_attr: 52 bytes in older headers, and the functions of version 1.1 write 48 of them.
struct PortAttr {
  ibv_port_attr base;
  uint32_t active_speed_ex;
};
static_assert(offsetof(PortAttr, active_speed_ex) == 52 && offsetof(ibv_port_attr, port_cap_flags2) == 48);

struct LinkRate {
  uint64_t mbps;
  uint8_t width;  ///< 1: 1x, 2: 4x, 4: 8x, 16: 2x
  uint8_t speed;  ///< 1: SDR, 2: DDR, 8: FDR10, 32: EDR, 64: HDR, 128: NDR
};

/// The kernel's translation of Ethernet speeds (ib_get_eth_speed): the first row that is fast enough.
constexpr LinkRate kLinkRates[] = {
    {1'000, 1, 1},    {10'000, 1, 8},   {20'000, 2, 2},   {25'000, 1, 32},   {40'000, 2, 8},
    {50'000, 16, 32}, {100'000, 2, 32}, {200'000, 2, 64}, {400'000, 2, 128}, {800'000, 4, 128},
};

const LinkRate& link_rate(uint64_t mbps) {
  const auto enough = [&](const LinkRate& rate) { return rate.mbps >= mbps; };
  const auto* found = std::find_if(std::begin(kLinkRates), std::end(kLinkRates), enough);
  return found == std::end(kLinkRates) ? kLinkRates[std::size(kLinkRates) - 1] : *found;
}

uint64_t speed_of(const Device& device) {
  if (device.link_mbps != 0) return device.link_mbps;
  const bool loopback = std::strcmp(device.abi.name, "vb_lo") == 0;
  return loopback ? kLoopbackMbps : kUnknownMbps;
}

void fill_link(const Device& device, PortAttr& attr) {
  const LinkRate& rate = link_rate(speed_of(device));
  const bool up = link_running(device);
  attr.base.state = up ? IBV_PORT_ACTIVE : IBV_PORT_DOWN;
  attr.base.phys_state = up ? kPhysStateLinkUp : kPhysStateDisabled;
  attr.base.active_width = rate.width;
  attr.base.active_speed = rate.speed;
  attr.active_speed_ex = rate.speed;
  attr.base.link_layer = IBV_LINK_LAYER_ETHERNET;
}

PortAttr port_attributes(const Device& device) {
  PortAttr attr{};
  fill_link(device, attr);
  // Messages are not cut into packets of this size: the greatest, whatever the interface's MTU is.
  attr.base.max_mtu = IBV_MTU_4096;
  attr.base.active_mtu = IBV_MTU_4096;
  attr.base.gid_tbl_len = kGidTableLength;
  attr.base.pkey_tbl_len = kPkeyTableLength;
  attr.base.max_msg_sz = kMaxMsgSize;
  attr.base.max_vl_num = 1;
  attr.base.port_cap_flags = IBV_PORT_CM_SUP | IBV_PORT_IP_BASED_GIDS;
  attr.base.qkey_viol_cntr = static_cast<uint16_t>(std::min(device.qkey_violations.load(), 0xffffu));
  attr.base.flags = IBV_QPF_GRH_REQUIRED;
  return attr;
}

}  // namespace

Result<void> query_port(ibv_context* context, uint8_t port, void* attr, size_t attr_size) {
  if (port != 1) return Error{EINVAL};
  const std::shared_lock guard(device_lock());
  const PortAttr all = port_attributes(Device::from(context->device));
  std::memset(attr, 0, attr_size);
  std::memcpy(attr, &all, std::min(attr_size, sizeof(all)));
  return {};
}

Result<uint64_t> query_port_speed(ibv_context* context, uint32_t port) {
  constexpr uint64_t kUnitMbps = 100;
  if (port != 1) return Error{EINVAL};
  const std::shared_lock guard(device_lock());
  return std::max<uint64_t>(speed_of(Device::from(context->device)) / kUnitMbps, 1);
}

Result<uint16_t> query_pkey(ibv_context*, uint8_t port, int index) {
  if (port != 1 || index < 0 || index >= kPkeyTableLength) return Error{EINVAL};
  return htobe16(kDefaultPkey);
}

Result<int> pkey_index(ibv_context*, uint8_t port, uint16_t pkey) {
  if (port != 1 || pkey != htobe16(kDefaultPkey)) return Error{EINVAL};
  return 0;
}

}  // namespace vb
