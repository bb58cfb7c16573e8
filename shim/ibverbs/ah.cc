// SPDX-License-Identifier: BSD-2-Clause
// Address handles.
#include "door.h"

using namespace vb;
using namespace vb::door;

VB_DOOR ibv_ah* ibv_create_ah(ibv_pd* pd, ibv_ah_attr* attr) {
  return ours(pd) ? unsupported<"ibv_create_ah", ibv_ah*>() : native_ibv_create_ah(pd, attr);
}

VB_DOOR int ibv_destroy_ah(ibv_ah* ah) {
  return ours(ah) ? unsupported<"ibv_destroy_ah">() : native_ibv_destroy_ah(ah);
}

VB_DOOR int ibv_init_ah_from_wc(ibv_context* context, uint8_t port, ibv_wc* wc, ibv_grh* grh, ibv_ah_attr* attr) {
  if (!ours(context)) return native_ibv_init_ah_from_wc(context, port, wc, grh, attr);
  (void)unsupported<"ibv_init_ah_from_wc">();
  return -1;
}

VB_DOOR ibv_ah* ibv_create_ah_from_wc(ibv_pd* pd, ibv_wc* wc, ibv_grh* grh, uint8_t port) {
  if (!ours(pd)) return native_ibv_create_ah_from_wc(pd, wc, grh, port);
  return unsupported<"ibv_create_ah_from_wc", ibv_ah*>();
}

VB_DOOR int ibv_resolve_eth_l2_from_gid(ibv_context* context, ibv_ah_attr* attr, uint8_t mac[ETHERNET_LL_SIZE],
                                        uint16_t* vid) {
  if (!ours(context)) return native_ibv_resolve_eth_l2_from_gid(context, attr, mac, vid);
  return unsupported<"ibv_resolve_eth_l2_from_gid">();
}
