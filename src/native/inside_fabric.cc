// SPDX-License-Identifier: BSD-2-Clause
#include "native/inside_fabric.h"

namespace vb::native {
namespace {
thread_local int depth = 0;
}

InsideFabric::InsideFabric() { ++depth; }
InsideFabric::~InsideFabric() { --depth; }
bool inside_fabric() { return depth > 0; }

}  // namespace vb::native
