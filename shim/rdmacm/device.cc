// SPDX-License-Identifier: BSD-2-Clause
// The devices behind identifiers: one context for each, shared by all.
#include <fcntl.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "base/never_destroyed.h"
#include "door.h"
#include "native_id.h"

using namespace vb;
using namespace vb::door;

namespace vb::door {

namespace {

struct Attachments {
  std::mutex lock;
  std::map<std::pair<Device*, uint32_t>, std::unique_ptr<Attachment>> all;
};

Attachments& attachments() {
  static NeverDestroyed<Attachments> value;
  return *value;
}

Result<std::unique_ptr<Attachment>> open_attachment(Device& device, uint32_t netdev) {
  auto made = std::make_unique<Attachment>();
  made->device = &device;
  made->netdev = netdev;
  made->verbs = ibv_open_device(&device.abi);
  if (!made->verbs) return Error{errno};
  made->pd = ibv_alloc_pd(made->verbs);
  if (!made->pd) return Error{errno};
  ibv_device_attr attr{};
  if (auto queried = query_device(made->verbs, attr); !queried) return Error{queried.error()};
  made->max_responder_resources = static_cast<uint8_t>(std::min(attr.max_qp_rd_atom, 255));
  made->max_initiator_depth = static_cast<uint8_t>(std::min(attr.max_qp_init_rd_atom, 255));
  return made;
}

/// Open devices, ours first. What the program holds is the array's data, which ends with nullptr.
struct ContextList {
  std::vector<ibv_context*> contexts;
  ibv_context** native = nullptr;
};

struct ContextLists {
  std::mutex lock;
  std::map<ibv_context**, ContextList> all;
};

ContextLists& context_lists() {
  static NeverDestroyed<ContextLists> value;
  return *value;
}

void add_native_contexts(ContextList& list) {
  if (!native_devices()) return;
  native::InsideFabric native_devices_only;
  int count = 0;
  list.native = native_rdma_get_devices(&count);
  if (list.native) list.contexts.insert(list.contexts.end(), list.native, list.native + count);
}

Result<ibv_context**> list_contexts(int* count) {
  auto devices = list_devices();
  if (!devices) return Error{devices.error()};
  ContextList list;
  for (Device* device : *devices) {
    auto attachment = attach(*device);
    if (!attachment) return Error{attachment.error()};
    list.contexts.push_back((*attachment)->verbs);
  }
  add_native_contexts(list);
  if (count) *count = static_cast<int>(list.contexts.size());
  list.contexts.push_back(nullptr);
  ibv_context** data = list.contexts.data();
  std::lock_guard guard(context_lists().lock);
  context_lists().all.emplace(data, std::move(list));
  return data;
}

void free_contexts(ibv_context** data) {
  std::unique_lock guard(context_lists().lock);
  auto node = context_lists().all.extract(data);
  guard.unlock();
  if (!node.empty() && node.mapped().native) native_rdma_free_devices(node.mapped().native);
}

}  // namespace

Result<Attachment*> attach(Device& device) {
  const uint32_t netdev = device.netdev;
  std::lock_guard guard(attachments().lock);
  std::unique_ptr<Attachment>& slot = attachments().all[{&device, netdev}];
  if (slot) return slot.get();
  auto made = open_attachment(device, netdev);
  if (!made) return Error{made.error()};
  slot = std::move(*made);
  return slot.get();
}

Result<void> attach_by_address(Id& id, const SocketAddress& local) {
  auto place = cm::find_place(local);
  if (!place) return Error{place.error()};
  auto attachment = attach(*place->device);
  if (!attachment) return Error{attachment.error()};
  id.attachment = *attachment;
  id.gid_index = place->gid_index;
  id.abi.verbs = (*attachment)->verbs;
  id.abi.port_num = 1;
  if (!id.abi.pd) id.abi.pd = (*attachment)->pd;
  id.protocol->depend_on((*attachment)->netdev);
  // An interface that went before the identifier was said to depend on it has no address any more.
  auto still = cm::find_place(local);
  return still ? Result<void>() : Error{still.error()};
}

Result<ibv_xrcd*> xrc_domain(Id& id) {
  std::lock_guard guard(attachments().lock);
  ibv_xrcd*& xrcd = id.attachment->xrcd;
  if (xrcd) return xrcd;
  ibv_xrcd_init_attr attr{};
  attr.comp_mask = IBV_XRCD_INIT_ATTR_FD | IBV_XRCD_INIT_ATTR_OFLAGS;
  attr.fd = -1;
  attr.oflags = O_CREAT;
  xrcd = ibv_open_xrcd(id.abi.verbs, &attr);
  if (!xrcd) return Error{errno};
  return xrcd;
}

}  // namespace vb::door

VB_DOOR ibv_context** rdma_get_devices(int* count) {
  if (make_native()) return native_rdma_get_devices(count);
  if (count) *count = 0;
  auto list = guarded([&] { return list_contexts(count); });
  if (list) return *list;
  errno = list.error();
  return nullptr;
}

VB_DOOR void rdma_free_devices(ibv_context** list) {
  if (make_native()) return native_rdma_free_devices(list);
  free_contexts(list);
}
