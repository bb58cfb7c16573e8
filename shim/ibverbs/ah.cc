// SPDX-License-Identifier: BSD-2-Clause
// Address handles.
#include <algorithm>

#include "door.h"

using namespace vb;
using namespace vb::door;

VB_DOOR ibv_ah* ibv_create_ah(ibv_pd* pd, ibv_ah_attr* attr) {
  if (!ours(pd)) return native_ibv_create_ah(pd, attr);
  return pointer_entry([&] { return create_ah(Pd::from(pd), *attr); });
}

VB_DOOR int ibv_destroy_ah(ibv_ah* ah) {
  if (!ours(ah)) return native_ibv_destroy_ah(ah);
  return errno_entry([&] { return destroy_ah(Ah::from(ah)); });
}

VB_DOOR int ibv_init_ah_from_wc(ibv_context* context, uint8_t port, ibv_wc* wc, ibv_grh* grh, ibv_ah_attr* attr) {
  if (!ours(context)) return native_ibv_init_ah_from_wc(context, port, wc, grh, attr);
  Result<ibv_ah_attr> result = guarded([&] { return ah_attr_from_wc(context, port, *wc, *grh); });
  if (result) *attr = *result;
  return as_minus_one(result);
}

VB_DOOR ibv_ah* ibv_create_ah_from_wc(ibv_pd* pd, ibv_wc* wc, ibv_grh* grh, uint8_t port) {
  if (!ours(pd)) return native_ibv_create_ah_from_wc(pd, wc, grh, port);
  return pointer_entry([&]() -> Result<Ah*> {
    auto attr = ah_attr_from_wc(pd->context, port, *wc, *grh);
    return attr ? create_ah(Pd::from(pd), *attr) : Error{attr.error()};
  });
}

/// Untagged: there is no VLAN below an interface of ours.
VB_DOOR int ibv_resolve_eth_l2_from_gid(ibv_context* context, ibv_ah_attr* attr, uint8_t mac[ETHERNET_LL_SIZE],
                                        uint16_t* vid) {
  if (!ours(context)) return native_ibv_resolve_eth_l2_from_gid(context, attr, mac, vid);
  Result<MacAddress> address = guarded([&] { return resolve_mac(context, *attr); });
  if (!address) return address.error();
  std::copy(address->begin(), address->end(), mac);
  *vid = 0xffff;
  return 0;
}
