// SPDX-License-Identifier: BSD-2-Clause
// Device attributes. Callers' structures differ in age, so only what they have room for is written.
#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "transport/multicast.h"
#include "transport/raw_queue_pair.h"
#include "verbs/device.h"
#include "verbs/limits.h"

namespace vb {
namespace {

constexpr unsigned kCapabilities =
    IBV_DEVICE_CURR_QP_STATE_MOD | IBV_DEVICE_SYS_IMAGE_GUID | IBV_DEVICE_RC_RNR_NAK_GEN | IBV_DEVICE_SRQ_RESIZE |
    IBV_DEVICE_XRC | IBV_DEVICE_MEM_WINDOW | IBV_DEVICE_MEM_WINDOW_TYPE_2B | IBV_DEVICE_MEM_MGT_EXTENSIONS |
    IBV_DEVICE_RAW_IP_CSUM | IBV_DEVICE_MANAGED_FLOW_STEERING;

void fill_identity(const Device& device, ibv_device_attr& attr) {
  std::strncpy(attr.fw_ver, VERBATIM_VERSION, sizeof(attr.fw_ver) - 1);
  attr.node_guid = device.guid;
  attr.sys_image_guid = device.guid;
  attr.vendor_id = kVendorId;
  attr.vendor_part_id = kVendorPartId;
  attr.hw_ver = kHwVersion;
  attr.device_cap_flags = kCapabilities;
  attr.phys_port_cnt = 1;
}

void fill_queues(ibv_device_attr& attr) {
  attr.max_qp = kMaxQp;
  attr.max_qp_wr = kMaxQpWr;
  attr.max_sge = kMaxSge;
  attr.max_sge_rd = kMaxSge;
  attr.max_cq = kMaxCq;
  attr.max_cqe = kMaxCqe;
  attr.max_srq = kMaxSrq;
  attr.max_srq_wr = kMaxSrqWr;
  attr.max_srq_sge = kMaxSrqSge;
  attr.max_qp_rd_atom = kMaxRdAtomic;
  attr.max_qp_init_rd_atom = kMaxRdAtomic;
  attr.max_res_rd_atom = static_cast<int>(std::min<int64_t>(int64_t{kMaxRdAtomic} * kMaxQp, 1 << 30));
  attr.atomic_cap = IBV_ATOMIC_HCA;  // GLOB would be true too, but programs compare with what adapters say
}

void fill_memory(ibv_device_attr& attr) {
  attr.max_mr_size = kMaxMrSize;
  attr.page_size_cap = kPageSizeCap;
  attr.max_mr = kMaxMr;
  attr.max_pd = kMaxPd;
  attr.max_mw = kMaxMw;
}

void fill_network(ibv_device_attr& attr) {
  attr.max_ah = kMaxAh;
  attr.max_mcast_grp = int{Multicast::kMaxGroups};
  attr.max_mcast_qp_attach = int{Multicast::kMaxMembers};
  attr.max_total_mcast_qp_attach = int{Multicast::kMaxGroups * Multicast::kMaxMembers};
  attr.max_pkeys = kPkeyTableLength;
  attr.local_ca_ack_delay = 15;  // 2^15 * 4.096 us: peers add it to their timeouts; software answers late
}

ibv_device_attr attributes(const Device& device) {
  ibv_device_attr attr{};
  fill_identity(device, attr);
  fill_queues(attr);
  fill_memory(attr);
  fill_network(attr);
  return attr;
}

/// IB_DEVICE_FLUSH_GLOBAL, IB_DEVICE_FLUSH_PERSISTENT, IB_DEVICE_ATOMIC_WRITE of newer headers.
constexpr uint64_t kExtendedCapabilities = uint64_t{7} << 38;

ibv_odp_caps on_demand_caps() {
  constexpr uint32_t kTwoSided = IBV_ODP_SUPPORT_SEND | IBV_ODP_SUPPORT_RECV | IBV_ODP_SUPPORT_SRQ_RECV;
  ibv_odp_caps caps{};
  caps.general_caps = IBV_ODP_SUPPORT | IBV_ODP_SUPPORT_IMPLICIT;
  caps.per_transport_caps.ud_odp_caps = kTwoSided;
  caps.per_transport_caps.uc_odp_caps = kTwoSided | IBV_ODP_SUPPORT_WRITE;
  caps.per_transport_caps.rc_odp_caps =
      kTwoSided | IBV_ODP_SUPPORT_WRITE | IBV_ODP_SUPPORT_READ | IBV_ODP_SUPPORT_ATOMIC;
  return caps;
}

// What only ibv_query_device_ex shows. A function that is not here yet leaves its capability at zero: "none".

void fill_clock(ibv_device_attr_ex& attr) {
  attr.completion_timestamp_mask = ~uint64_t{0};
  attr.hca_core_clock = kCoreClockKhz;
}

/// Atomics reach any memory of the program, that of other devices too, as the processor reaches it.
void fill_pci_atomics(ibv_device_attr_ex& attr) {
  constexpr uint16_t kEightBytes = IBV_PCI_ATOMIC_OPERATION_8_BYTE_SIZE_SUP;
  attr.pci_atomic_caps.fetch_add = kEightBytes;
  attr.pci_atomic_caps.compare_swap = kEightBytes;
}

/// What raw packet queue pairs do: see docs/raw-packets.md.
void fill_raw_packets(ibv_device_attr_ex& attr) {
  constexpr uint32_t kRaw = 1u << IBV_QPT_RAW_PACKET;
  attr.tso_caps = {kMaxTso, kRaw};
  attr.rss_caps.supported_qpts = kRaw;
  attr.rss_caps.max_rwq_indirection_tables = kMaxRwqIndTables;
  attr.rss_caps.max_rwq_indirection_table_size = 1u << kLogMaxRwqIndTable;
  attr.rss_caps.rx_hash_fields_mask = kRxHashFields;
  attr.rss_caps.rx_hash_function = IBV_RX_HASH_FUNC_TOEPLITZ;
  attr.max_wq_type_rq = kMaxQp;
  attr.packet_pacing_caps = {1, kMaxRateLimit, kRaw};
  attr.raw_packet_caps =
      IBV_RAW_PACKET_CAP_CVLAN_STRIPPING | IBV_RAW_PACKET_CAP_IP_CSUM | IBV_RAW_PACKET_CAP_DELAY_DROP;
}

ibv_device_attr_ex attributes_ex(const Device& device) {
  ibv_device_attr_ex attr{};
  attr.orig_attr = attributes(device);
  attr.device_cap_flags_ex = attr.orig_attr.device_cap_flags | kExtendedCapabilities;
  attr.odp_caps = on_demand_caps();
  attr.xrc_odp_caps = attr.odp_caps.per_transport_caps.rc_odp_caps;
  attr.max_dm_size = kMaxDmSize;
  attr.phys_port_cnt_ex = 1;
  attr.tm_caps = {kMaxRendezvousHeader, kMaxTags, IBV_TM_CAP_RC, kMaxTagOps, kMaxSrqSge};
  attr.cq_mod_caps = {UINT16_MAX, UINT16_MAX};
  fill_clock(attr);
  fill_raw_packets(attr);
  fill_pci_atomics(attr);
  return attr;
}

}  // namespace

Result<void> query_device(ibv_context* context, ibv_device_attr& attr) {
  attr = attributes(Device::from(context->device));
  return {};
}

Result<void> query_device_ex(ibv_context* context, const ibv_query_device_ex_input* input, ibv_device_attr_ex* attr,
                             size_t attr_size) {
  if (input && input->comp_mask != 0) return Error{EINVAL};
  if (attr_size < sizeof(attr->orig_attr)) return Error{EINVAL};
  const ibv_device_attr_ex all = attributes_ex(Device::from(context->device));
  std::memset(static_cast<void*>(attr), 0, attr_size);
  std::memcpy(static_cast<void*>(attr), &all, std::min(attr_size, sizeof(all)));
  return {};
}

Result<void> query_rt_values(ibv_context*, ibv_values_ex& values) {
  // Bits of comp_mask say what was asked for, and then what was given.
  const bool wanted = values.comp_mask & IBV_VALUES_MASK_RAW_CLOCK;
  values.comp_mask = wanted ? IBV_VALUES_MASK_RAW_CLOCK : 0;
  if (!wanted) return {};
  // As hardware drivers do: the whole count stands in tv_nsec, in ticks of hca_core_clock.
  values.raw_clock.tv_sec = 0;
  values.raw_clock.tv_nsec = static_cast<long>(clock_ns());
  return {};
}

}  // namespace vb
