// SPDX-License-Identifier: BSD-2-Clause
// Device, port, GID and clock queries.
#include <cstring>

#include "base/clock.h"
#include "exp/door.h"
#include "verbs/ec.h"
#include "verbs/indirect_mr.h"
#include "verbs/limits.h"

namespace vb::exp {
namespace {

/// Fills in the part of `attr` that a bit of comp_mask asks for. Callers' structures differ in age: what is not asked
/// for may not be there.
using Filler = void (*)(const ibv_device_attr_ex& now, ibv_exp_device_attr& attr);
struct Part {
  uint64_t bit;
  Filler fill;
};

void fill_capabilities(const ibv_device_attr_ex& now, ibv_exp_device_attr& attr) {
  constexpr uint64_t kCommon = 0x107fff;  // the flags up to XRC, but for some that came later
  const uint64_t flags = now.orig_attr.device_cap_flags;
  uint64_t all = flags & kCommon;
  const auto add = [&](bool has, uint64_t flag) { all |= has ? flag : 0; };
  add(flags & IBV_DEVICE_MEM_WINDOW, IBV_EXP_DEVICE_MEM_WINDOW);
  add(flags & IBV_DEVICE_MEM_WINDOW_TYPE_2B, IBV_EXP_DEVICE_MW_TYPE_2B);
  add(flags & IBV_DEVICE_MEM_MGT_EXTENSIONS, IBV_EXP_DEVICE_MEM_MGT_EXTENSIONS);
  add(flags & IBV_DEVICE_MANAGED_FLOW_STEERING, IBV_EXP_DEVICE_MANAGED_FLOW_STEERING);
  add(flags & IBV_DEVICE_RAW_IP_CSUM, IBV_EXP_DEVICE_RX_CSUM_IP_PKT | IBV_EXP_DEVICE_RX_CSUM_TCP_UDP_PKT);
  all |= IBV_EXP_DEVICE_ODP | IBV_EXP_DEVICE_DC_TRANSPORT | IBV_EXP_DEVICE_EXT_ATOMICS |
         IBV_EXP_DEVICE_EXT_MASKED_ATOMICS | IBV_EXP_DEVICE_MR_ALLOCATE | IBV_EXP_DEVICE_PHYSICAL_RANGE_MR |
         IBV_EXP_DEVICE_EC_OFFLOAD | IBV_EXP_DEVICE_UMR | IBV_EXP_DEVICE_UMR_FIXED_SIZE | IBV_EXP_DEVICE_NOP |
         IBV_EXP_DEVICE_CROSS_CHANNEL;
  attr.exp_device_cap_flags = all;
}

/// Bits 2 and 3: operands of 4 and 8 bytes. A field may be as wide as the operand.
void fill_ext_atomics(const ibv_device_attr_ex&, ibv_exp_device_attr& attr) {
  attr.ext_atom.log_atomic_arg_sizes = 1 << 3;
  attr.ext_atom.max_fa_bit_boundary = 64;
  attr.ext_atom.log_max_atomic_inline = 3;
}

void fill_masked_atomics(const ibv_device_attr_ex&, ibv_exp_device_attr& attr) {
  attr.masked_atomic = {};
  attr.masked_atomic.max_fa_bit_boundary = 64;
  attr.masked_atomic.log_max_atomic_inline = 3;
  attr.masked_atomic.masked_log_atomic_arg_sizes = 1 << 2 | 1 << 3;
}

void fill_odp(const ibv_device_attr_ex& now, ibv_exp_device_attr& attr) {
  attr.odp_caps = {};
  attr.odp_caps.general_odp_caps = now.odp_caps.general_caps;
  attr.odp_caps.per_transport_caps.rc_odp_caps = now.odp_caps.per_transport_caps.rc_odp_caps;
  attr.odp_caps.per_transport_caps.uc_odp_caps = now.odp_caps.per_transport_caps.uc_odp_caps;
  attr.odp_caps.per_transport_caps.ud_odp_caps = now.odp_caps.per_transport_caps.ud_odp_caps;
  attr.odp_caps.per_transport_caps.dc_odp_caps = now.odp_caps.per_transport_caps.rc_odp_caps;
  attr.odp_caps.per_transport_caps.xrc_odp_caps = now.xrc_odp_caps;
}

/// Queue pair types are numbered from 0 in these masks, from 2 (IBV_QPT_RC) in today's.
constexpr uint32_t exp_types(uint32_t qpts) { return (qpts & 1u << IBV_QPT_RAW_PACKET) ? IBV_EXP_QPT_RAW_PACKET : 0; }

void fill_rx_hash(const ibv_device_attr_ex& now, ibv_exp_device_attr& attr) {
  attr.rx_hash_caps = {};
  attr.rx_hash_caps.max_rwq_indirection_tables = now.rss_caps.max_rwq_indirection_tables;
  attr.rx_hash_caps.max_rwq_indirection_table_size = now.rss_caps.max_rwq_indirection_table_size;
  attr.rx_hash_caps.supported_hash_functions = now.rss_caps.rx_hash_function;
  attr.rx_hash_caps.supported_packet_fields = now.rss_caps.rx_hash_fields_mask & 0xff;
  attr.rx_hash_caps.supported_qps = exp_types(now.rss_caps.supported_qpts);
}

void fill_tags(const ibv_device_attr_ex& now, ibv_exp_device_attr& attr) {
  attr.tm_caps = {now.tm_caps.max_rndv_hdr_size, now.tm_caps.max_num_tags, IBV_EXP_TM_CAP_RC, now.tm_caps.max_ops,
                  now.tm_caps.max_sge};
}

void fill_tso(const ibv_device_attr_ex& now, ibv_exp_device_attr& attr) {
  attr.tso_caps = {now.tso_caps.max_tso, now.tso_caps.supported_qpts};
}

void fill_pacing(const ibv_device_attr_ex& now, ibv_exp_device_attr& attr) {
  const ibv_packet_pacing_caps& caps = now.packet_pacing_caps;
  attr.packet_pacing_caps = {
      caps.qp_rate_limit_min, caps.qp_rate_limit_max, caps.supported_qpts, IBV_EXP_QP_SUPPORT_BURST, {}};
}

/// What is not there is zero, and said to be valid: "none".
constexpr Part kParts[] = {
    {IBV_EXP_DEVICE_ATTR_CALC_CAP, [](auto&, auto& attr) { attr.calc_cap = {}; }},
    {IBV_EXP_DEVICE_ATTR_WITH_TIMESTAMP_MASK,
     [](auto& now, auto& attr) { attr.timestamp_mask = now.completion_timestamp_mask; }},
    {IBV_EXP_DEVICE_ATTR_WITH_HCA_CORE_CLOCK,  // in MHz
     [](auto& now, auto& attr) { attr.hca_core_clock = now.hca_core_clock / 1000; }},
    {IBV_EXP_DEVICE_ATTR_EXP_CAP_FLAGS, fill_capabilities},
    {IBV_EXP_DEVICE_DC_RD_REQ, [](auto&, auto& attr) { attr.max_dc_req_rd_atom = kMaxRdAtomic; }},
    {IBV_EXP_DEVICE_DC_RD_RES, [](auto&, auto& attr) { attr.max_dc_res_rd_atom = kMaxRdAtomic; }},
    {IBV_EXP_DEVICE_ATTR_INLINE_RECV_SZ, [](auto&, auto& attr) { attr.inline_recv_sz = 0; }},
    {IBV_EXP_DEVICE_ATTR_RSS_TBL_SZ, [](auto&, auto& attr) { attr.max_rss_tbl_sz = 0; }},
    {IBV_EXP_DEVICE_ATTR_EXT_ATOMIC_ARGS, fill_ext_atomics},
    {IBV_EXP_DEVICE_ATTR_UMR,  // pieces are of regions that have memory, in one dimension
     [](auto&, auto& attr) {
       attr.umr_caps = {kMaxIndirectBlocks, kMaxInlineBlocks, 1, 1};
     }},
    {IBV_EXP_DEVICE_ATTR_ODP, fill_odp},
    {IBV_EXP_DEVICE_ATTR_MAX_DCT, [](auto&, auto& attr) { attr.max_dct = kMaxDct; }},
    {IBV_EXP_DEVICE_ATTR_MAX_CTX_RES_DOMAIN, [](auto&, auto& attr) { attr.max_ctx_res_domain = kMaxPd; }},
    {IBV_EXP_DEVICE_ATTR_RX_HASH, fill_rx_hash},
    {IBV_EXP_DEVICE_ATTR_MAX_WQ_TYPE_RQ, [](auto& now, auto& attr) { attr.max_wq_type_rq = now.max_wq_type_rq; }},
    {IBV_EXP_DEVICE_ATTR_MAX_DEVICE_CTX, [](auto&, auto& attr) { attr.max_device_ctx = kMaxPd; }},
    {IBV_EXP_DEVICE_ATTR_MP_RQ, [](auto&, auto& attr) { attr.mp_rq_caps = {}; }},
    {IBV_EXP_DEVICE_ATTR_VLAN_OFFLOADS,
     [](auto&, auto& attr) { attr.wq_vlan_offloads_cap = IBV_EXP_RECEIVE_WQ_CVLAN_STRIP; }},
    {IBV_EXP_DEVICE_ATTR_EC_CAPS,
     [](auto&, auto& attr) {
       attr.ec_caps = {kMaxEcData, kMaxEcInFlight};
     }},
    {IBV_EXP_DEVICE_ATTR_MASKED_ATOMICS, fill_masked_atomics},
    {IBV_EXP_DEVICE_ATTR_RX_PAD_END_ALIGN, [](auto&, auto& attr) { attr.rx_pad_end_addr_align = 0; }},
    {IBV_EXP_DEVICE_ATTR_TSO_CAPS, fill_tso},
    {IBV_EXP_DEVICE_ATTR_PACKET_PACING_CAPS, fill_pacing},
    {IBV_EXP_DEVICE_ATTR_EC_GF_BASE,  // bit w-1 for the field of w bits
     [](auto&, auto& attr) { attr.ec_w_mask = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 7; }},
    {IBV_EXP_DEVICE_ATTR_OOO_CAPS,  // allowed, and never done
     [](auto&, auto& attr) {
       constexpr uint32_t kAllowed = IBV_EXP_OOO_SUPPORT_RW_DATA_PLACEMENT;
       attr.ooo_caps = {kAllowed, kAllowed, kAllowed, 0};
     }},
    {IBV_EXP_DEVICE_ATTR_SW_PARSING_CAPS, [](auto&, auto& attr) { attr.sw_parsing_caps = {}; }},
    {IBV_EXP_DEVICE_ATTR_ODP_MAX_SIZE, [](auto&, auto& attr) { attr.odp_mr_max_size = kMaxMrSize; }},
    {IBV_EXP_DEVICE_ATTR_TM_CAPS, fill_tags},
    {IBV_EXP_DEVICE_ATTR_TUNNEL_OFFLOADS_CAPS, [](auto&, auto& attr) { attr.tunnel_offloads_caps = 0; }},
    {IBV_EXP_DEVICE_ATTR_MAX_DM_SIZE, [](auto& now, auto& attr) { attr.max_dm_size = now.max_dm_size; }},
    {IBV_EXP_DEVICE_ATTR_TUNNELED_ATOMIC, [](auto&, auto& attr) { attr.tunneled_atomic_caps = 0; }},
};

/// The second word of bits is there only if the last bit of the first asks for it.
void fill_second(const ibv_device_attr_ex& now, ibv_exp_device_attr& attr) {
  attr.comp_mask_2 &= IBV_EXP_DEVICE_ATTR_UMR_FIXED_SIZE_CAPS | IBV_EXP_DEVICE_ATTR_PCI_ATOMIC_CAPS;
  if (attr.comp_mask_2 & IBV_EXP_DEVICE_ATTR_UMR_FIXED_SIZE_CAPS) attr.umr_fixed_size_caps = {kMaxMrSize};
  if (attr.comp_mask_2 & IBV_EXP_DEVICE_ATTR_PCI_ATOMIC_CAPS) {
    attr.pci_atomic_caps = {now.pci_atomic_caps.fetch_add, now.pci_atomic_caps.swap, now.pci_atomic_caps.compare_swap};
  }
}

/// The plain attributes stand at the front; where they have capability flags there is a hole.
void fill_front(const ibv_device_attr& now, ibv_exp_device_attr& attr) {
  static_assert(offsetof(ibv_exp_device_attr, comp_mask) == offsetof(ibv_device_attr, phys_port_cnt) + 1);
  static_assert(offsetof(ibv_exp_device_attr, reserved) == offsetof(ibv_device_attr, device_cap_flags));
  static_assert(offsetof(ibv_exp_device_attr, max_pkeys) == offsetof(ibv_device_attr, max_pkeys));
  std::memcpy(static_cast<void*>(&attr), &now, offsetof(ibv_exp_device_attr, comp_mask));
  attr.reserved = 0;
}

int query_device_attr(ibv_context* context, ibv_exp_device_attr* attr) {
  ibv_device_attr_ex now{};
  const int error = errno_entry([&] { return query_device_ex(context, nullptr, &now, sizeof now); });
  if (error) return error;
  fill_front(now.orig_attr, *attr);
  const bool second = attr->comp_mask & IBV_EXP_DEVICE_ATTR_COMP_MASK_2;
  uint32_t valid = second ? uint32_t{IBV_EXP_DEVICE_ATTR_COMP_MASK_2} : 0;
  for (const Part& part : kParts) {
    if (!(attr->comp_mask & part.bit)) continue;
    part.fill(now, *attr);
    valid |= static_cast<uint32_t>(part.bit);
  }
  if (second) fill_second(now, *attr);
  attr->comp_mask = valid;
  return 0;
}

int query_port_attr(ibv_context* context, uint8_t port, ibv_exp_port_attr* attr) {
  constexpr size_t kFront = offsetof(ibv_exp_port_attr, comp_mask);
  return errno_entry([&] { return query_port(context, port, attr, kFront); });
}

int query_gid_attr(ibv_context* context, uint8_t port, unsigned index, ibv_exp_gid_attr* attr) {
  if (attr->comp_mask & ~uint32_t{IBV_EXP_QUERY_GID_ATTR_RESERVED - 1}) return EINVAL;
  ibv_gid_entry entry{};
  const int error = errno_entry([&] { return query_gid_ex(context, port, index, &entry, 0, sizeof entry); });
  if (error) return error;
  if (attr->comp_mask & IBV_EXP_QUERY_GID_ATTR_TYPE) attr->type = IBV_EXP_ROCE_V2_GID_TYPE;
  if (attr->comp_mask & IBV_EXP_QUERY_GID_ATTR_GID) attr->gid = entry.gid;
  return 0;
}

/// The clock counts nanoseconds of CLOCK_MONOTONIC, so that there is nothing to convert.
int query_values(ibv_context*, int wanted, ibv_exp_values* values) {
  if (wanted & ~(IBV_EXP_VALUES_RESERVED - 1)) return -EINVAL;
  const uint64_t now = clock_ns();
  if (wanted & IBV_EXP_VALUES_HW_CLOCK_NS) values->hwclock_ns = now;
  if (wanted & IBV_EXP_VALUES_HW_CLOCK) values->hwclock = now;
  if (wanted & IBV_EXP_VALUES_CLOCK_INFO) {
    values->clock_info = {};
    values->clock_info.cycles = values->clock_info.nsec = now;
    values->clock_info.mask = ~uint64_t{0};
    values->clock_info.mult = 1;
  }
  values->comp_mask = static_cast<uint32_t>(wanted);
  return 0;
}

}  // namespace

void overlay_device(verbs_context_exp& table) {
  table.drv_exp_query_device = table.lib_exp_query_device = query_device_attr;
  table.drv_exp_query_port = table.lib_exp_query_port = query_port_attr;
  table.exp_query_gid_attr = query_gid_attr;
  table.drv_exp_query_values = query_values;
}

}  // namespace vb::exp
