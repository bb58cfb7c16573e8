// SPDX-License-Identifier: BSD-2-Clause
// Addresses, ports and routes.
#include <arpa/inet.h>
#include <endian.h>

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "door.h"
#include "native_id.h"

using namespace vb;
using namespace vb::door;

namespace vb::door {

namespace {

constexpr uint16_t kDefaultPkey = 0xffff;
constexpr uint8_t kHopLimit = 64;
constexpr uint8_t kExactly = 2;  ///< a selector of path records
constexpr uint8_t kPacketLifeTime = 18;

void copy_gid(ibv_gid& to, const SocketAddress& from) {
  if (auto gid = address_to_gid(*from.get())) memcpy(to.raw, gid->raw.data(), sizeof to.raw);
}

SocketAddress shown(const sockaddr_storage& storage) {
  auto copy = cm::copy_address(reinterpret_cast<const sockaddr*>(&storage));
  return copy ? *copy : SocketAddress{};
}

/// Before anything is resolved an identifier has a port: its own, or a number from the ephemeral ones.
Result<void> settle_port(Id& id, SocketAddress& source) {
  if (cm::port_of(source) != 0) return id.protocol->bind(source, id.socket_options);
  auto port = id.protocol->take_ephemeral_port();
  if (!port) return Error{port.error()};
  cm::set_port(source, *port);
  return {};
}

/// Where the way leads to and from: the addresses, with what was wild filled in.
Result<void> find_way(Id& id, SocketAddress source, SocketAddress destination, bool bound) {
  if (cm::is_any(destination)) {
    auto loopback = cm::source_for(destination, cm::is_any(source) ? nullptr : &source);
    if (!loopback) return Error{loopback.error()};
    uint16_t port = cm::port_of(destination);
    destination = *loopback;
    cm::set_port(destination, port);
  }
  auto from = cm::source_for(destination, cm::is_any(source) ? nullptr : &source);
  if (!from) return Error{from.error()};
  if (auto attached = attach_by_address(id, *from); !attached) return attached;
  uint16_t port = cm::port_of(source);
  source = *from;
  cm::set_port(source, port);
  if (!bound) {
    if (auto settled = settle_port(id, source); !settled) return settled;
  }
  id.protocol->set_addresses(source, destination);
  show_addresses(id, &source, &destination);
  return {};
}

/// Whether an event says it: nothing leads there by a device. Where the program has chosen the source, the call does.
bool reported_later(int error, const SocketAddress& source) { return error == ENODEV && cm::is_any(source); }

/// Until the port is free on all devices; one that the program has chosen is tried once.
Result<void> bind_everywhere(Id& id, SocketAddress& local) {
  constexpr int kTries = 32;
  const uint16_t chosen = cm::port_of(local);
  Result<void> done;
  for (int tries = chosen ? 1 : kTries; tries > 0; --tries) {
    cm::set_port(local, chosen);
    done = id.protocol->bind(local, id.socket_options);
    if (!done) return done;
    done = bind_native_too(id, local);
    if (done) return done;
  }
  id.protocol->unbind();
  return done;
}

Result<void> bind_own(Id& id, SocketAddress& local) {
  if (auto attached = attach_by_address(id, local); !attached) return attached;
  return id.protocol->bind(local, id.socket_options);
}

/// An address that no device of ours has: a native one's, or loopback's, which may be bound where it is no device's and
/// stands for whichever the connection will use.
Result<void> bind_elsewhere(Id& id, sockaddr* address, SocketAddress& local, int error) {
  Result<void> done = Error{error};
  if (may_be_native(id, error)) {
    auto theirs = bind_native(id, address);
    if (theirs || theirs.error() != ENODEV) return theirs;
  }
  if (error == ENODEV && cm::is_loopback(local)) done = id.protocol->bind(local, id.socket_options);
  return done;
}

Result<void> bind_to(Id& id, sockaddr* address, SocketAddress& local) {
  if (cm::is_any(local)) return bind_everywhere(id, local);
  auto done = bind_own(id, local);
  if (done.error() == ENODEV || done.error() == EADDRNOTAVAIL) return bind_elsewhere(id, address, local, done.error());
  return done;
}

}  // namespace

void show_addresses(Id& id, const SocketAddress* local, const SocketAddress* remote) {
  rdma_addr& address = id.abi.route.addr;
  if (local) {
    memcpy(&address.src_storage, &local->storage, local->length);
    copy_gid(address.addr.ibaddr.sgid, *local);
  }
  if (remote) {
    memcpy(&address.dst_storage, &remote->storage, remote->length);
    copy_gid(address.addr.ibaddr.dgid, *remote);
  }
  address.addr.ibaddr.pkey = htobe16(kDefaultPkey);
}

Result<void> bind_id(Id& id, sockaddr* address) {
  auto local = cm::copy_address(address);
  if (!local) return Error{local.error()};
  if (auto present = id.present(); !present) return present;
  if (auto advanced = id.advance(Stage::kIdle, Stage::kBound); !advanced) return advanced;
  auto done = bind_to(id, address, *local);
  if (!done) {
    id.stage = Stage::kIdle;
    return done;
  }
  if (!id.is_native()) show_addresses(id, &*local, nullptr);
  return {};
}

Result<void> resolve_address(Id& id, sockaddr* source, sockaddr* destination, int timeout_ms) {
  if (id.is_native()) return resolve_native(id, source, destination, timeout_ms);
  if (auto present = id.present(); !present) return present;
  auto to = cm::copy_address(destination);
  if (!to) return Error{to.error()};
  Stage before = id.stage;
  bool bound = before == Stage::kBound;
  SocketAddress from = cm::any_address(to->storage.ss_family, 0);
  if (bound) {
    from = shown(id.abi.route.addr.src_storage);
  } else if (before != Stage::kIdle) {
    return Error{EINVAL};
  } else if (source && source->sa_family) {
    auto copy = cm::copy_address(source);
    if (!copy) return Error{copy.error()};
    from = *copy;
  }
  if (from.storage.ss_family != to->storage.ss_family) return Error{EINVAL};
  if (auto advanced = id.advance(before, Stage::kResolvingAddress); !advanced) return advanced;
  id.before = {before, id.abi.route.addr, id.attachment, id.gid_index};
  auto found = find_way(id, from, *to, bound);
  if (found && id.native) drop_native(id);
  // What is bound to an address of ours stays ours.
  if ((!bound || id.native) && may_be_native(id, found.error())) {
    if (auto theirs = resolve_native(id, source, destination, timeout_ms)) return theirs;
  }
  if (found) return id.protocol->resolve(static_cast<uint64_t>(std::max(timeout_ms, 0)) * kMillisecond);
  id.stage = before;
  if (!reported_later(found.error(), from)) return found;
  show_addresses(id, nullptr, &*to);
  cm::Event event;
  event.kind = cm::Kind::kAddressError;
  event.status = -found.error();
  id.protocol->post(event);
  return {};
}

void address_resolved(Id& id, bool success) {
  if (id.stage != Stage::kResolvingAddress) return;
  if (success) {
    id.stage = Stage::kAddressResolved;
    return;
  }
  const bool bound = id.before.stage == Stage::kBound;
  Attachment* attachment = id.before.attachment;
  id.protocol->forget_way(bound);
  id.protocol->depend_on(attachment ? attachment->netdev : 0);
  if (!attachment && id.abi.pd == id.attachment->pd) id.abi.pd = nullptr;
  id.attachment = attachment;
  id.gid_index = id.before.gid_index;
  id.abi.verbs = attachment ? attachment->verbs : nullptr;
  id.abi.port_num = attachment ? 1 : 0;
  id.abi.route.addr = id.before.address;
  id.stage = id.before.stage;
}

void fill_path(Id& id) {
  rdma_ib_addr& gids = id.abi.route.addr.addr.ibaddr;
  ibv_sa_path_rec& path = id.path;
  path = {};
  path.sgid = gids.sgid;
  path.dgid = gids.dgid;
  path.hop_limit = kHopLimit;
  path.traffic_class = id.traffic_class;
  path.reversible = 1;
  path.numb_path = 1;
  path.pkey = htobe16(kDefaultPkey);
  path.mtu_selector = kExactly;
  path.mtu = IBV_MTU_4096;
  path.rate_selector = kExactly;
  path.rate = IBV_RATE_100_GBPS;
  path.packet_life_time_selector = kExactly;
  path.packet_life_time = id.ack_timeout ? static_cast<uint8_t>(id.ack_timeout - 1) : kPacketLifeTime;
  id.abi.route.path_rec = &path;
  id.abi.route.num_paths = 1;
}

Result<void> resolve_route(Id& id, int timeout_ms) {
  if (id.is_native()) {
    return on_native(id, [&](rdma_cm_id* native) { return native_rdma_resolve_route(native, timeout_ms); });
  }
  if (auto present = id.present(); !present) return present;
  if (auto advanced = id.advance(Stage::kAddressResolved, Stage::kRouteResolved); !advanced) return advanced;
  fill_path(id);
  cm::Event event;
  event.kind = cm::Kind::kRouteResolved;
  id.protocol->post(event);
  return {};
}

}  // namespace vb::door

VB_DOOR int rdma_bind_addr(rdma_cm_id* id, sockaddr* address) {
  if (!ours(id)) return native_rdma_bind_addr(id, address);
  return minus_one_entry([&] { return bind_id(Id::from(id), address); });
}

VB_DOOR int rdma_resolve_addr(rdma_cm_id* id, sockaddr* source, sockaddr* destination, int timeout_ms) {
  if (!ours(id)) return native_rdma_resolve_addr(id, source, destination, timeout_ms);
  auto done = guarded([&] { return resolve_address(Id::from(id), source, destination, timeout_ms); });
  return as_minus_one(done ? complete(Id::from(id)) : done);
}

VB_DOOR int rdma_resolve_route(rdma_cm_id* id, int timeout_ms) {
  if (!ours(id)) return native_rdma_resolve_route(id, timeout_ms);
  auto done = guarded([&] { return resolve_route(Id::from(id), timeout_ms); });
  return as_minus_one(done ? complete(Id::from(id)) : done);
}

/// Both kinds of address have the port in the same place.
VB_DOOR __be16 rdma_get_src_port(rdma_cm_id* id) { return id->route.addr.src_sin.sin_port; }
VB_DOOR __be16 rdma_get_dst_port(rdma_cm_id* id) { return id->route.addr.dst_sin.sin_port; }
