// SPDX-License-Identifier: BSD-2-Clause
// rdma_cm_id and rdma_event_channel as this library makes them.
#pragma once

#include <infiniband/verbs.h>
#include <pthread.h>
#include <rdma/rdma_cma.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "base/fd.h"
#include "cm/address.h"
#include "cm/channel.h"
#include "cm/identifier.h"

namespace vb::door {

/// How far the program has got with an identifier; each call demands a stage (EINVAL).
enum class Stage { kIdle, kBound, kResolvingAddress, kAddressResolved, kRouteResolved, kConnect, kListen };

/// Whose devices an identifier is on: that follows from its address. At the wildcard it is on all.
enum class Owner { kOurs, kBoth, kNative };

/// What hangs at an identifier: the program may set it, and so may the library behind a native one.
struct Objects {
  ibv_qp* qp = nullptr;
  ibv_srq* srq = nullptr;
  ibv_pd* pd = nullptr;
  ibv_cq* send_cq = nullptr;
  ibv_cq* recv_cq = nullptr;
  ibv_comp_channel* send_cq_channel = nullptr;
  ibv_comp_channel* recv_cq_channel = nullptr;
};

struct CloseNativeChannel {
  void operator()(rdma_event_channel* channel) const;
};

/// An event channel: `abi.fd` is the queue's, or an epoll set of both halves.
struct EventChannel {
  rdma_event_channel abi{};
  std::shared_ptr<cm::Channel> queue = std::make_shared<cm::Channel>();  ///< and of its identifiers
  std::unique_ptr<rdma_event_channel, CloseNativeChannel> native;        ///< where the system's library has devices
  Fd both;

  static EventChannel& from(rdma_event_channel* channel) { return *reinterpret_cast<EventChannel*>(channel); }
};

/// A device that identifiers use: one context and one PD for all of them, opened at first use, for ever. An interface
/// that comes again by the same name is another one.
struct Attachment {
  Device* device = nullptr;
  uint32_t netdev = 0;  ///< the interface's index
  ibv_context* verbs = nullptr;
  ibv_pd* pd = nullptr;
  ibv_xrcd* xrcd = nullptr;  ///< opened at first use, with the lock of device.cc
  uint8_t max_responder_resources = 0;
  uint8_t max_initiator_depth = 0;
};

/// A multicast group that an identifier has joined.
struct Membership {
  SocketAddress address;
  ibv_gid mgid{};
  void* context = nullptr;
  bool attached = false;
  uint8_t hop_limit = 0;
};

/// The address of this says "ours": it stands right behind the structure that the program sees. (There the system's
/// library has a pointer to a device of its own.)
extern const char id_mark;

struct Id {
  rdma_cm_id abi{};
  const char* mark = &id_mark;

  std::shared_ptr<cm::Identifier> protocol;
  std::atomic<Stage> stage{Stage::kIdle};
  bool sync = false;  ///< without a channel of the program's: calls wait for their event
  std::atomic<Owner> owner{Owner::kOurs};
  bool never_native = false;
  rdma_cm_id* native = nullptr;  ///< the system library's identifier behind this one, unless it is ours alone
  std::mutex native_lock;        ///< of `known`, and while it is compared
  Objects known;                 ///< the same at both
  Attachment* attachment = nullptr;
  uint8_t gid_index = 0;

  /// What it was before its address was resolved, and is again if that fails.
  struct Before {
    Stage stage = Stage::kIdle;
    rdma_addr address{};
    Attachment* attachment = nullptr;
    uint8_t gid_index = 0;
  } before;

  // Whoever takes an event moves the QP, and another thread may destroy it meanwhile: held while abi.qp changes or is
  // moved, and never while a QP is destroyed, which may wait for the program.
  std::mutex qp_lock;

  // Events that the program has, and has given back: rdma_destroy_id waits for them.
  std::mutex events_lock;
  pthread_cond_t events_changed = PTHREAD_COND_INITIALIZER;
  unsigned events_reported = 0;
  unsigned events_completed = 0;

  // Options.
  uint8_t traffic_class = 0;
  bool traffic_class_set = false;
  uint8_t ack_timeout = 0;  ///< 0: not set
  cm::Socket::Options socket_options;

  // What the connection agreed on, for the QP's attributes.
  uint8_t responder_resources = 0;
  uint8_t initiator_depth = 0;
  uint8_t retry_count = 0;
  uint8_t rnr_retry_count = 0;
  uint32_t psn = 0;
  uint32_t qkey = 0;
  cm::Ece local_ece;
  cm::Ece remote_ece;
  ibv_sa_path_rec path{};

  // rdma_create_ep's.
  std::unique_ptr<ibv_qp_init_attr> qp_init;
  ibv_pd* wanted_pd = nullptr;
  std::vector<unsigned char> connect_data;

  std::vector<std::shared_ptr<Membership>> memberships;

  // rdma_resolve_addrinfo's: found, and told to the program.
  std::mutex found_lock;
  std::shared_ptr<rdma_addrinfo> found;

  static Id& from(rdma_cm_id* id) { return *reinterpret_cast<Id*>(id); }
  bool datagram() const { return abi.qp_type == IBV_QPT_UD; }
  bool is_native() const { return owner == Owner::kNative; }
  /// ENXIO when its device has gone: all that is left to do is to destroy it.
  Result<void> present() const { return protocol->removed() ? Result<void>(Error{ENXIO}) : Result<void>(); }
  /// EINVAL unless the identifier is at `from`, and then it is at `to`.
  Result<void> advance(Stage from, Stage to);
};

inline bool ours(const rdma_cm_id* id) { return reinterpret_cast<const Id*>(id)->mark == &id_mark; }
bool ours(const rdma_event_channel* channel);
/// Whether what is made now is the system library's: inside libfabric, and where only native devices are wanted.
bool make_native();

// channel.cc
Result<EventChannel*> create_channel();
void destroy_channel(EventChannel& channel);

// device.cc
Result<Attachment*> attach(Device& device);
/// Gives the identifier the device that has its local address, and the source GID.
Result<void> attach_by_address(Id& id, const SocketAddress& local);

/// The domain that all XRC objects of a device share which name none.
Result<ibv_xrcd*> xrc_domain(Id& id);

// id.cc
Result<Id*> create_id(rdma_event_channel* channel, void* context, rdma_port_space space, ibv_qp_type type);
/// Its own channel, when `channel` is nullptr.
Result<void> set_channel(Id& id, rdma_event_channel* channel);
/// The protocol's identifier, on the channel of this one.
Result<void> make_protocol(Id& id);
Result<void> migrate_id(Id& id, rdma_event_channel* channel);
Result<void> destroy_id(Id& id);

// address.cc
Result<void> bind_id(Id& id, sockaddr* address);
Result<void> resolve_address(Id& id, sockaddr* source, sockaddr* destination, int timeout_ms);
/// The event of that is taken: it was resolved, or it is what it was before.
void address_resolved(Id& id, bool success);
Result<void> resolve_route(Id& id, int timeout_ms);
/// Fills in the one path record, from the addresses.
void fill_path(Id& id);
void show_addresses(Id& id, const SocketAddress* local, const SocketAddress* remote);

// multicast.cc
ibv_ah_attr multicast_vector(const Id& id, const Membership& membership);
void leave_all(Id& id);

// srq.cc
void destroy_srq(Id& id);

// qp.cc
bool is_xrc(const Id& id);
Result<void> create_qp(Id& id, ibv_pd* pd, ibv_qp_init_attr& attr);
Result<void> create_qp_ex(Id& id, ibv_qp_init_attr_ex& attr);
/// The CQ of an XRC SRQ that names none.
Result<ibv_cq*> make_receive_cq(Id& id, uint32_t depth);
void destroy_cqs(Id& id);
void destroy_qp(Id& id);
Result<void> init_qp_attr(Id& id, ibv_qp_attr& attr, int& mask);
Result<void> move_to_rtr(Id& id, uint8_t responder_resources);
Result<void> move_to_rts(Id& id, uint8_t initiator_depth);
Result<void> move_to_error(Id& id);
bool has_qp(Id& id);
ibv_ah_attr address_vector(const Id& id);
uint32_t default_qkey(const Id& id);

/// A call on a synchronous identifier waits for the event that it causes, which then stands in id->event.
Result<void> complete(Id& id);

}  // namespace vb::door
