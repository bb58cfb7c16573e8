// SPDX-License-Identifier: BSD-2-Clause
#include "verbs/dmah.h"

#include <unistd.h>

#include <memory>

#include "base/log.h"
#include "verbs/placement.h"

namespace vb {
namespace {

constexpr uint32_t kKnown =
    IBV_DMAH_INIT_ATTR_MASK_CPU_ID | IBV_DMAH_INIT_ATTR_MASK_PH | IBV_DMAH_INIT_ATTR_MASK_TPH_MEM_TYPE;
constexpr uint8_t kMaxProcessingHint = 3;  // two bits on PCI Express

bool fits(const ibv_dmah_init_attr& attr) {
  const auto bad = [&](uint32_t bit, bool wrong) { return (attr.comp_mask & bit) && wrong; };
  return !bad(IBV_DMAH_INIT_ATTR_MASK_CPU_ID, attr.cpu_id >= static_cast<uint64_t>(sysconf(_SC_NPROCESSORS_CONF))) &&
         !bad(IBV_DMAH_INIT_ATTR_MASK_PH, attr.ph > kMaxProcessingHint) &&
         !bad(IBV_DMAH_INIT_ATTR_MASK_TPH_MEM_TYPE, attr.tph_mem_type > IBV_TPH_MEM_TYPE_PM);
}

}  // namespace

Result<Dmah*> alloc_dmah(Context& context, const ibv_dmah_init_attr& attr) {
  if (attr.comp_mask & ~kKnown) return Error{EOPNOTSUPP};
  if (!fits(attr)) return Error{EINVAL};
  auto dmah = std::make_unique<Dmah>();
  dmah->abi.context = &context.abi.context;
  dmah->hints.comp_mask = attr.comp_mask;
  if (attr.comp_mask & IBV_DMAH_INIT_ATTR_MASK_CPU_ID) dmah->hints.cpu_id = attr.cpu_id;
  if (attr.comp_mask & IBV_DMAH_INIT_ATTR_MASK_PH) dmah->hints.ph = attr.ph;
  if (attr.comp_mask & IBV_DMAH_INIT_ATTR_MASK_TPH_MEM_TYPE) dmah->hints.tph_mem_type = attr.tph_mem_type;
  ++context.uses;
  return dmah.release();
}

Result<void> dealloc_dmah(Dmah& dmah) {
  if (dmah.uses.load() != 0) return Error{EBUSY};
  Context& context = Context::from(dmah.abi.context);
  delete &dmah;
  release(context);
  return {};
}

void keep_hints(Mr& mr, Dmah& dmah) {
  ++dmah.uses;
  mr.dmah = &dmah;
  if (!(dmah.hints.comp_mask & IBV_DMAH_INIT_ATTR_MASK_CPU_ID)) return;
  // A CPU that is configured but not there has no node: a hint that cannot be followed is no error.
  if (!place_mr(mr, static_cast<int>(dmah.hints.cpu_id), -1)) {
    log(LogLevel::info, "CPU %u of a DMA handle is on no node", dmah.hints.cpu_id);
  }
}

void drop_hints(Mr& mr) {
  if (mr.dmah) --mr.dmah->uses;
}

}  // namespace vb
