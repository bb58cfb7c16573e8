// SPDX-License-Identifier: BSD-2-Clause
// libfabric, opened at first use. Everything else that we call of it goes through its object tables.
#pragma once

#include <rdma/fabric.h>

#include <cstdint>

#include "base/result.h"

namespace vb::fabric {

struct Library {
  int (*getinfo)(uint32_t version, const char* node, const char* service, uint64_t flags, const fi_info* hints,
                 fi_info** info);
  void (*freeinfo)(fi_info* info);
  fi_info* (*dupinfo)(const fi_info* info);
  int (*open_fabric)(fi_fabric_attr* attr, fid_fabric** fabric, void* context);
  uint32_t (*version)();
};

/// Takes some hundred milliseconds the first time: providers calibrate clocks and read kernel tables. ENOENT: no
/// libfabric.
Result<const Library*> library();

}  // namespace vb::fabric
