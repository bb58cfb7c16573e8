// SPDX-License-Identifier: BSD-2-Clause
// DMA handles.
#include "verbs/dmah.h"

#include "door.h"

using namespace vb;
using namespace vb::door;

VB_DOOR ibv_dmah* ibv_alloc_dmah(ibv_context* context, ibv_dmah_init_attr* attr) {
  if (!ours(context)) return native_ibv_alloc_dmah(context, attr);
  return pointer_entry([&] { return alloc_dmah(Context::from(context), *attr); });
}

VB_DOOR int ibv_dealloc_dmah(ibv_dmah* dmah) {
  if (!ours(dmah)) return native_ibv_dealloc_dmah(dmah);
  return errno_entry([&] { return dealloc_dmah(Dmah::from(dmah)); });
}
