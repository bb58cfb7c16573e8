// SPDX-License-Identifier: BSD-2-Clause
// Life of queue pairs. Their states are in qp_modify.cc, the data path is in post.cc.
#include "verbs/qp.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <shared_mutex>

#include "base/clock.h"
#include "base/log.h"
#include "transport/datagram_queue_pair.h"
#include "transport/dc_initiator.h"
#include "transport/engine.h"
#include "transport/xrc_relay.h"
#include "verbs/async_events.h"
#include "verbs/comp_cntr.h"
#include "verbs/device_registry.h"
#include "verbs/limits.h"
#include "verbs/opened_target.h"
#include "verbs/qp_internal.h"
#include "verbs/raw_qp.h"
#include "verbs/route.h"
#include "verbs/shared_target.h"
#include "verbs/xrcd.h"

namespace vb {

namespace {

constexpr uint64_t kRawOps = IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_TSO;
constexpr uint64_t kDatagramOps = IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_SEND_WITH_IMM;
constexpr uint64_t kUnreliableOps = kDatagramOps | IBV_QP_EX_WITH_RDMA_WRITE | IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM |
                                    IBV_QP_EX_WITH_BIND_MW | IBV_QP_EX_WITH_LOCAL_INV;
constexpr uint64_t kWithFlush = 1 << 11;  // IBV_QP_EX_WITH_FLUSH, of newer headers
constexpr uint64_t kReliableOps = kUnreliableOps | IBV_QP_EX_WITH_RDMA_READ | IBV_QP_EX_WITH_ATOMIC_CMP_AND_SWP |
                                  IBV_QP_EX_WITH_ATOMIC_FETCH_AND_ADD | IBV_QP_EX_WITH_SEND_WITH_INV |
                                  IBV_QP_EX_WITH_ATOMIC_WRITE | kWithFlush;

/// The operations that a builder may be asked for. 0: there are no queue pairs of this type.
uint64_t send_ops_of(ibv_qp_type type) {
  if (type == kDcInitiator) return kReliableOps;
  switch (type) {
    case IBV_QPT_RC:
    case IBV_QPT_XRC_SEND: return kReliableOps;
    case IBV_QPT_UC: return kUnreliableOps;
    case IBV_QPT_UD: return kDatagramOps;
    case IBV_QPT_RAW_PACKET: return kRawOps;
    default: return 0;
  }
}

/// It sends, and receives nothing.
bool is_initiator(ibv_qp_type type) { return type == IBV_QPT_XRC_SEND || type == kDcInitiator; }

}  // namespace

/// The addresses of a device, each once.
std::vector<SocketAddress> addresses_of(const Device& device) {
  std::vector<SocketAddress> addresses;
  for (const GidEntry& entry : gid_table(device)) {
    if (!entry.valid) continue;
    auto address = gid_to_address(to_gid(entry.gid), 0);
    if (!address) continue;
    bool known = std::any_of(addresses.begin(), addresses.end(), [&](const SocketAddress& each) {
      return each.length == address->length && memcmp(&each.storage, &address->storage, each.length) == 0;
    });
    if (!known) addresses.push_back(*address);
  }
  return addresses;
}

namespace {

/// Whether a queue pair of this type may be created on the SRQ: an XRC SRQ is named by each request.
bool fits(ibv_srq& srq, ibv_qp_type type) {
  ibv_srq_type kind = Srq::from(&srq).type;
  return kind == IBV_SRQT_BASIC ? type == IBV_QPT_RC || type == IBV_QPT_UC || type == IBV_QPT_UD
                                : kind == IBV_SRQT_TM && type == IBV_QPT_RC;
}

/// What ibv_create_qp_ex may ask for beside an ibv_qp_init_attr.
struct Extras {
  uint64_t send_ops = 0;
  uint32_t create_flags = 0;
  uint16_t tso_header = 0;
  bool strips_vlan = false;
  bool extended = false;
  uint32_t source_qpn = 0;  ///< what datagrams say where they come from; 0: the queue pair's own number
  const ibv_qp_init_attr_ex* spreads = nullptr;  ///< over an indirection table: it has no queues of its own
};

/// Whether an object is another device's, or real hardware's.
template <class Object>
bool foreign(const Owner& owner, const Object* object) {
  return object && object->context->device != owner.context.abi.context.device;
}

Result<void> check(const Owner& owner, const ibv_qp_init_attr& attr, const Extras& extras) {
  if (extras.spreads) return owner.pd ? Result<void>() : Error{EINVAL};
  ibv_qp_type type = attr.qp_type;
  bool target = type == IBV_QPT_XRC_RECV, initiator = is_initiator(type);
  if (!target && !send_ops_of(type)) return Error{EOPNOTSUPP};
  if (target ? !owner.xrcd : !owner.pd || owner.xrcd) return Error{EINVAL};
  if (target && extras.send_ops) return Error{EINVAL};
  if (type == kDcInitiator && (extras.send_ops || attr.srq)) return Error{EINVAL};
  if (!target && (!attr.send_cq || (!attr.recv_cq && !initiator))) return Error{EINVAL};
  if (foreign(owner, attr.send_cq) || foreign(owner, attr.recv_cq) || foreign(owner, attr.srq)) return Error{EINVAL};
  if (attr.srq && !fits(*attr.srq, type)) return Error{EINVAL};
  const ibv_qp_cap& cap = attr.cap;
  auto over = [](uint32_t value, int limit) { return value > static_cast<uint32_t>(limit); };
  if (over(cap.max_send_wr, kMaxQpWr) || over(cap.max_send_sge, kMaxSge) || over(cap.max_inline_data, kMaxInline)) {
    return Error{EINVAL};
  }
  if (target) return {};
  if (!attr.srq && !initiator && (over(cap.max_recv_wr, kMaxQpWr) || over(cap.max_recv_sge, kMaxSge)))
    return Error{EINVAL};
  if (extras.send_ops & ~send_ops_of(type)) return Error{EOPNOTSUPP};
  return {};
}

void grant(ibv_qp_init_attr& attr) {
  ibv_qp_cap& cap = attr.cap;
  bool target = attr.qp_type == IBV_QPT_XRC_RECV;
  cap.max_send_sge = std::max(cap.max_send_sge, 2u);
  cap.max_recv_sge = std::max(cap.max_recv_sge, 2u);
  if (attr.srq || target || is_initiator(attr.qp_type)) cap.max_recv_wr = cap.max_recv_sge = 0;
  if (target) cap = {};
}

void use(const ibv_qp_init_attr& init, const Owner& owner, int change) {
  if (owner.pd) owner.pd->uses += change;
  if (owner.xrcd) owner.xrcd->uses += change;
  if (init.send_cq) Cq::from(init.send_cq).uses += change;
  if (init.recv_cq) Cq::from(init.recv_cq).uses += change;
  if (init.srq) Srq::from(init.srq).uses += change;
}

}  // namespace

void fill_handle(Qp& qp, const Owner& owner) {
  ibv_qp& abi = qp.abi.qp_base;
  abi.context = &owner.context.abi.context;
  abi.qp_context = qp.init.qp_context;
  abi.pd = owner.pd ? &owner.pd->abi : nullptr;
  abi.send_cq = qp.init.send_cq;
  abi.recv_cq = qp.init.recv_cq;
  abi.srq = qp.init.srq;
  abi.handle = abi.qp_num = qp.transport.qpn;
  abi.state = qp.transport.state();
  abi.qp_type = qp.init.qp_type;
  pthread_mutex_init(&abi.mutex, nullptr);
  pthread_cond_init(&abi.cond, nullptr);
}

namespace {

/// Events that wait are forgotten, those handed out are waited for.
void retire_handle(Qp& qp) {
  ibv_qp& abi = qp.abi.qp_base;
  Context::from(abi.context).events->remove([&](const ibv_async_event& event) {
    return AsyncEvents::about(event, &abi);
  });
  wait_for_acks(abi.mutex, abi.cond, abi.events_completed, qp.async_sent);
  pthread_mutex_destroy(&abi.mutex);
  pthread_cond_destroy(&abi.cond);
}

/// The rings' memory. Ring slots of a raw packet queue pair have room for the header of a TSO request.
Result<void> open_queues(QueuePair& transport, Pd* pd, const ibv_qp_init_attr& attr, const Extras& extras) {
  if (extras.spreads) return {};
  const ibv_qp_cap& cap = attr.cap;
  SharedReceiveQueue* srq = attr.srq ? &Srq::from(attr.srq).queue : nullptr;
  bool tags = srq && srq->tags;
  uint32_t sges = tags ? std::max(cap.max_send_sge, srq->max_sge()) : cap.max_send_sge;
  uint32_t extra = tags ? Rendezvous::kExtraSlots : 0;
  RingSource* memory = pd ? pd->source(RingKind::kSendQueue) : nullptr;
  const uint32_t large = extras.tso_header ? TsoRequest::room(sges, extras.tso_header) : 0;
  auto sends = transport.send_queue.open(cap.max_send_wr, sges, std::max(cap.max_inline_data, large), memory, extra,
                                         extras.extended);
  if (!sends) return sends;
  if (tags) transport.connected()->rendezvous = std::make_unique<Rendezvous>(*transport.connected());
  memory = pd ? pd->source(RingKind::kReceiveQueue) : nullptr;
  return transport.receive_queue.open(cap.max_recv_wr, cap.max_recv_sge, memory);
}

using Transport = std::unique_ptr<QueuePair>;

Result<Transport> make_transport(ibv_qp_type type, Device& device, const Extras& extras) {
  if (extras.spreads) return make_spreader(device, *extras.spreads);
  if (type == IBV_QPT_RAW_PACKET) return make_raw_transport(device);
  if (type == kDcInitiator) return Transport(new DcInitiator(engine().router));
  if (type != IBV_QPT_UD) return Transport(new ConnectedQueuePair);
  auto datagrams = std::make_unique<DatagramQueuePair>(engine().router, device.qkey_violations);
  datagrams->source_qpn = extras.source_qpn;
  datagrams->blocks_own_multicasts = extras.create_flags & IBV_QP_CREATE_BLOCK_SELF_MCAST_LB;
  return Transport(std::move(datagrams));
}

Result<Qp*> make(const Owner& owner, ibv_qp_init_attr attr, Extras extras) {
  if (attr.qp_type == kDcInitiator) extras.extended = true;
  if (auto fine = check(owner, attr, extras); !fine) return Error{fine.error()};
  if (auto running = start_engine(); !running) return Error{running.error()};
  if (attr.qp_type == IBV_QPT_XRC_RECV || extras.spreads) attr.send_cq = attr.recv_cq = nullptr, attr.srq = nullptr;
  if (!extras.spreads) grant(attr);
  Device& device = *owner.context.device;
  auto made = make_transport(attr.qp_type, device, extras);
  if (!made) return Error{made.error()};
  auto qp = std::make_unique<Qp>(std::move(*made));
  QueuePair& transport = qp->transport;
  if (auto opened = open_queues(transport, owner.pd, attr, extras); !opened) return Error{opened.error()};
  qp->init = attr;
  qp->send_ops = extras.send_ops;
  qp->max_tso_header = extras.tso_header;
  qp->extended = extras.extended;
  qp->xrcd = owner.xrcd;
  qp->device = &device;
  if (owner.xrcd) qp->domain = owner.xrcd->domain;
  Engine& self = engine();
  transport.config = {&self.lane,
                      &qp->events,
                      attr.qp_type,
                      owner.pd ? owner.pd->domain : nullptr,
                      attr.srq   ? Pd::from(attr.srq->pd).domain
                      : owner.pd ? owner.pd->domain
                                 : nullptr,
                      attr.send_cq ? &Cq::from(attr.send_cq).queue : nullptr,
                      attr.recv_cq ? &Cq::from(attr.recv_cq).queue : nullptr,
                      attr.srq ? &Srq::from(attr.srq).queue : nullptr,
                      attr.sq_sig_all != 0,
                      qp->domain.get()};
  std::vector<SocketAddress> addresses = addresses_of(device);
  auto guard = self.lane.hold();
  auto qpn = self.router.allocate_qpn(device.index, addresses);
  if (!qpn) return Error{qpn.error()};
  transport.qpn = *qpn;
  if (qp->domain) {
    qp->domain->join(*qpn >> kSlotBits);
    if (qp->domain->inode()) let_others_open(device, *qpn >> kSlotBits);
    ConnectedQueuePair& target = *transport.connected();
    target.own_relay = std::make_unique<XrcRelay>(target, XrcRelay::Home{self.router, device.index, addresses});
    target.relay = target.own_relay.get();
  }
  if (attr.qp_type == IBV_QPT_RAW_PACKET) adopt_raw(*qp, extras.strips_vlan);
  fill_handle(*qp, owner);  // from here on others find it, and it may have events
  self.lane.add(transport);
  guard.unlock();
  use(attr, owner, 1);
  ++owner.context.uses;
  return qp.release();
}

}  // namespace

void silence(QueuePair& transport, std::unique_lock<Lane>& guard) {
  Lane& lane = engine().lane;
  lane.settle_now();
  // What was posted while another thread had the lane: a datagram's sender may count on it without a completion.
  if (transport.kicked.load()) transport.run();
  transport.mute = true;
  transport.fail(IBV_WC_WR_FLUSH_ERR);
  if (transport.config.lane != &lane) return;  // a fork has left it behind
  lane.wait(
      guard, [&] { return transport.quiet(); }, [&] { transport.cut_off(); });
}

void push_event(Qp& handle, ibv_event_type type) {
  ibv_async_event event{};
  event.event_type = type;
  event.element.qp = &handle.abi.qp_base;
  Context::from(handle.abi.qp_base.context).events->push(event);
}

void Qp::Events::async_event(ibv_event_type type) {
  if (qp.transport.mute) return;
  if (!qp.closed) push_event(qp, type);
  for (Qp* handle : qp.opened) push_event(*handle, type);
  qp.holders.for_each([&](TargetHolder& holder) { holder.tell(type); });
}

Result<Qp*> create_qp(Pd& pd, ibv_qp_init_attr& attr) {
  if (attr.qp_type == IBV_QPT_XRC_RECV) return Error{EINVAL};  // it needs a domain: create_qp_ex
  auto qp = make({Context::from(pd.abi.context), &pd}, attr, {});
  if (qp) attr.cap = (*qp)->init.cap;
  return qp;
}

namespace {

uint32_t create_flags_of(ibv_qp_type type) {
  switch (type) {
    case IBV_QPT_UD: return IBV_QP_CREATE_BLOCK_SELF_MCAST_LB | IBV_QP_CREATE_SOURCE_QPN;
    case IBV_QPT_RAW_PACKET: return IBV_QP_CREATE_CVLAN_STRIPPING;
    default: return 0;
  }
}

/// CAP_NET_RAW, which kernels ask for as well: whoever has it can send such packets anyhow.
bool may_forge_packets() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
  return syscall(SYS_capget, &header, data) == 0 && (data[0].effective & (1u << CAP_NET_RAW));
}

/// EOPNOTSUPP: what is not known, or not offered for this type.
Result<Extras> extras_of(const ibv_qp_init_attr_ex& attr) {
  constexpr uint32_t kAny =
      IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_XRCD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS | IBV_QP_INIT_ATTR_CREATE_FLAGS;
  constexpr uint32_t kSpread = IBV_QP_INIT_ATTR_IND_TABLE | IBV_QP_INIT_ATTR_RX_HASH;
  const bool raw = attr.qp_type == IBV_QPT_RAW_PACKET;
  const uint32_t known = raw ? kAny | kSpread | IBV_QP_INIT_ATTR_MAX_TSO_HEADER : kAny;
  const auto has = [&](uint32_t bits) { return (attr.comp_mask & bits) != 0; };
  if (has(~known)) return Error{EOPNOTSUPP};
  const uint32_t flags = has(IBV_QP_INIT_ATTR_CREATE_FLAGS) ? attr.create_flags : 0;
  if (flags & ~create_flags_of(attr.qp_type)) return Error{EOPNOTSUPP};
  Extras extras;
  extras.create_flags = flags;
  if (has(IBV_QP_INIT_ATTR_SEND_OPS_FLAGS)) extras.send_ops = attr.send_ops_flags;
  if (has(IBV_QP_INIT_ATTR_MAX_TSO_HEADER)) extras.tso_header = attr.max_tso_header;
  if (extras.tso_header > kMaxTsoHeader) return Error{EINVAL};
  extras.strips_vlan = flags & IBV_QP_CREATE_CVLAN_STRIPPING;
  if (flags & IBV_QP_CREATE_SOURCE_QPN) {
    if (attr.source_qpn == 0 || attr.source_qpn > 0xffffff) return Error{EINVAL};
    if (!may_forge_packets()) return Error{EPERM};
    extras.source_qpn = attr.source_qpn;
  }
  if (has(kSpread)) extras.spreads = &attr;
  return extras;
}

}  // namespace

Result<Qp*> create_qp_ex(Context& context, ibv_qp_init_attr_ex& attr, bool extended) {
  auto extras = extras_of(attr);
  if (!extras) return Error{extras.error()};
  extras->extended = extended;
  Pd* pd = (attr.comp_mask & IBV_QP_INIT_ATTR_PD) && attr.pd ? &Pd::from(attr.pd) : nullptr;
  Xrcd* xrcd = (attr.comp_mask & IBV_QP_INIT_ATTR_XRCD) && attr.xrcd ? &Xrcd::from(attr.xrcd) : nullptr;
  if (attr.qp_type == IBV_QPT_XRC_RECV) pd = nullptr;
  ibv_qp_init_attr plain{};
  plain.qp_context = attr.qp_context;
  plain.send_cq = attr.send_cq;
  plain.recv_cq = attr.recv_cq;
  plain.srq = attr.srq;
  plain.cap = attr.cap;
  plain.qp_type = attr.qp_type;
  plain.sq_sig_all = attr.sq_sig_all;
  auto qp = make({context, pd, xrcd}, plain, *extras);
  if (qp) {
    attr.cap = (*qp)->init.cap;
    if (attr.comp_mask & IBV_QP_INIT_ATTR_SEND_OPS_FLAGS) (*qp)->abi.comp_mask = attr.comp_mask;
  }
  return qp;
}

namespace {

bool in_a_group(Qp& qp) {
  if (qp.init.qp_type != IBV_QPT_UD) return false;
  return engine().router.multicast().attached(static_cast<DatagramQueuePair&>(qp.transport));
}

}  // namespace

void destroy_transport(Qp& qp, std::unique_lock<Lane>& guard) {
  Engine& self = engine();
  silence(qp.transport, guard);
  self.lane.remove(qp.transport);
  self.router.free_qpn(qp.transport.qpn);
  guard.unlock();
}

namespace {
/// The program's own handle of a target that others have opened is done with. True: no other handle is left either.
bool leave(Qp& target) {
  auto guard = engine().lane.hold();
  target.leaving = false;
  if (!is_unused(target)) return false;
  destroy_transport(target, guard);
  return true;
}
}  // namespace

Result<void> destroy_qp(Qp& qp) {
  if (qp.flows.load() != 0) return Error{EBUSY};
  auto guard = engine().lane.hold();
  if (in_a_group(qp)) return Error{EBUSY};
  Qp& target = qp.real ? *qp.real : qp;
  std::erase(target.opened, &qp);
  if (qp.elsewhere) OpenedTarget::close(qp.elsewhere, guard);
  if (!qp.real) qp.closed = true;
  bool last = is_unused(target);
  qp.leaving = !last;  // should the other handles go meanwhile
  if (last && !qp.elsewhere) {
    destroy_transport(target, guard);
  } else {
    guard.unlock();
  }
  retire_handle(qp);
  Context& context = Context::from(qp.abi.qp_base.context);
  Pd* pd = qp.abi.qp_base.pd ? &Pd::from(qp.abi.qp_base.pd) : nullptr;
  const ibv_qp_init_attr used = qp.real ? ibv_qp_init_attr{} : qp.init;
  Xrcd* xrcd = qp.xrcd;
  if (qp.real) {
    delete &qp;
  } else if (!last) {
    last = leave(qp);
  }
  if (last) detach_comp_cntrs(target);
  if (last) delete &target;
  use(used, {context, pd, xrcd}, -1);  // not earlier: a parent domain's allocator took the rings back just now
  release(context);
  return {};
}

}  // namespace vb
