// SPDX-License-Identifier: BSD-2-Clause
// OFED's XRC functions, on today's objects: a program of their time finds its own structures.
#include "ofa_xrc.h"

#include <cstring>
#include <map>
#include <mutex>

#include "base/never_destroyed.h"
#include "door.h"

namespace vb {
namespace {

/// What the program holds as a domain.
struct OfedDomain {
  ibv_xrc_domain abi{};
  ibv_xrcd* xrcd = nullptr;

  static OfedDomain& from(ibv_xrc_domain* domain) { return *reinterpret_cast<OfedDomain*>(domain); }
};

ibv_xrc_domain* handle(OfedDomain& domain) { return &domain.abi; }

/// A receiving QP of a domain that this process has made, or opened to register with it, and how often it is
/// registered. Who has opened a file's domain once more has the same.
struct Receiver {
  std::shared_ptr<XrcDomain> domain;
  ibv_qp* qp = nullptr;
  unsigned registered = 1;
};

struct Receivers {
  std::mutex lock;
  std::map<uint32_t, Receiver> by_number;
};

Receivers& receivers() {
  static NeverDestroyed<Receivers> value;
  return *value;
}

const std::shared_ptr<XrcDomain>& shared(ibv_xrc_domain* domain) {
  return Xrcd::from(OfedDomain::from(domain).xrcd).domain;
}

/// The domain's receiver of this number that this process is registered with; nullptr: none. Lock held.
Receiver* find(ibv_xrc_domain* domain, uint32_t qpn) {
  auto found = receivers().by_number.find(qpn);
  return found != receivers().by_number.end() && found->second.domain == shared(domain) ? &found->second : nullptr;
}

/// Runs body(qp) with the lock held; EINVAL when the number is no receiver of the domain that this process has.
template <class Body>
Result<void> with(ibv_xrc_domain* domain, uint32_t qpn, Body&& body) {
  std::lock_guard guard(receivers().lock);
  Receiver* found = find(domain, qpn);
  if (!found) return Error{EINVAL};
  return body(found->qp);
}

Result<void> as_result(int error) {
  if (error) return Error{error};
  return {};
}

Result<OfedDomain*> open_domain(ibv_context* context, int fd, int oflag) {
  ibv_xrcd_init_attr attr{};
  attr.comp_mask = IBV_XRCD_INIT_ATTR_FD | IBV_XRCD_INIT_ATTR_OFLAGS;
  attr.fd = fd;
  attr.oflags = oflag;
  auto xrcd = open_xrcd(Context::from(context), attr);
  if (!xrcd) return Error{xrcd.error()};
  auto* domain = new OfedDomain;
  domain->abi.context = context;
  domain->xrcd = handle(**xrcd);
  return domain;
}

Result<void> close_domain(OfedDomain& domain) {
  if (auto closed = close_xrcd(Xrcd::from(domain.xrcd)); !closed) return closed;
  delete &domain;
  return {};
}

/// Programs of the time read the number behind today's structure: at one place in OFED 1.5, at another in MLNX_OFED.
Result<Srq*> create_xrc_srq(ibv_pd* pd, OfedDomain& domain, ibv_cq* cq, ibv_srq_init_attr& attr) {
  ibv_srq_init_attr_ex wanted{};
  wanted.srq_context = attr.srq_context;
  wanted.attr = attr.attr;
  wanted.comp_mask = IBV_SRQ_INIT_ATTR_TYPE | IBV_SRQ_INIT_ATTR_PD | IBV_SRQ_INIT_ATTR_XRCD | IBV_SRQ_INIT_ATTR_CQ;
  wanted.srq_type = IBV_SRQT_XRC;
  wanted.pd = pd;
  wanted.xrcd = domain.xrcd;
  wanted.cq = cq;
  auto srq = create_srq_ex(Context::from(pd->context), wanted);
  if (!srq) return srq;
  attr.attr = wanted.attr;
  const uint32_t number = (*srq)->queue.number;
  memcpy(reinterpret_cast<char*>(&(*srq)->abi) + kSrqNumberOfOfed, &number, sizeof number);
  (*srq)->ofed = {&domain.abi, cq, {}, number};
  return srq;
}

Result<void> create_receiver(ibv_qp_init_attr& init, uint32_t& qpn) {
  OfedDomain& domain = OfedDomain::from(reinterpret_cast<ibv_xrc_qp_init_attr&>(init).xrc_domain);
  ibv_qp_init_attr_ex wanted{};
  wanted.qp_context = init.qp_context;
  wanted.cap = init.cap;
  wanted.qp_type = IBV_QPT_XRC_RECV;
  wanted.comp_mask = IBV_QP_INIT_ATTR_XRCD;
  wanted.xrcd = domain.xrcd;
  auto qp = create_qp_ex(Context::from(domain.abi.context), wanted);
  if (!qp) return Error{qp.error()};
  std::lock_guard guard(receivers().lock);
  qpn = handle(**qp)->qp_num;
  receivers().by_number[qpn] = {shared(&domain.abi), handle(**qp)};
  return {};
}

Result<void> register_with(ibv_xrc_domain* domain, uint32_t qpn) {
  std::lock_guard guard(receivers().lock);
  if (Receiver* found = find(domain, qpn)) {
    ++found->registered;
    return {};
  }
  ibv_qp_open_attr attr{};
  attr.comp_mask = IBV_QP_OPEN_ATTR_NUM | IBV_QP_OPEN_ATTR_XRCD | IBV_QP_OPEN_ATTR_TYPE;
  attr.qp_num = qpn;
  attr.xrcd = OfedDomain::from(domain).xrcd;
  attr.qp_type = IBV_QPT_XRC_RECV;
  auto qp = open_qp(Context::from(domain->context), attr);
  if (!qp) return Error{qp.error()};
  receivers().by_number[qpn] = {shared(domain), handle(**qp)};
  return {};
}

/// With the last registration of any process the receiver ends.
Result<void> unregister_from(ibv_xrc_domain* domain, uint32_t qpn) {
  ibv_qp* unwanted;
  {
    std::lock_guard guard(receivers().lock);
    Receiver* found = find(domain, qpn);
    if (!found) return Error{EINVAL};
    if (--found->registered > 0) return {};
    unwanted = found->qp;
    receivers().by_number.erase(qpn);
  }
  return destroy_qp(Qp::from(unwanted));
}

/// Whether this event is about a QP, and its number is that of a receiver.
bool about_queue_pair(int type) {
  switch (type) {
    case IBV_EVENT_QP_FATAL:
    case IBV_EVENT_QP_REQ_ERR:
    case IBV_EVENT_QP_ACCESS_ERR:
    case IBV_EVENT_COMM_EST:
    case IBV_EVENT_SQ_DRAINED:
    case IBV_EVENT_QP_LAST_WQE_REACHED: return true;
    default: return false;
  }
}

constexpr auto kFlag = static_cast<unsigned>(IBV_XRC_QP_EVENT_FLAG);

}  // namespace
}  // namespace vb

namespace vb::door {

void name_by_number(ibv_async_event& event) {
  if (!about_queue_pair(event.event_type)) return;
  Receivers& all = receivers();
  std::lock_guard guard(all.lock);
  auto found = all.by_number.find(event.element.qp->qp_num);
  if (found == all.by_number.end() || found->second.qp != event.element.qp) return;
  event.element.port_num = static_cast<int>(found->first);
  event.event_type = static_cast<ibv_event_type>(static_cast<unsigned>(event.event_type) | kFlag);
}

void name_by_object(ibv_async_event& event) {
  if (!(static_cast<unsigned>(event.event_type) & kFlag)) return;
  Receivers& all = receivers();
  std::lock_guard guard(all.lock);
  auto found = all.by_number.find(static_cast<uint32_t>(event.element.port_num));
  if (found == all.by_number.end()) return;
  event.element.qp = found->second.qp;
  event.event_type = static_cast<ibv_event_type>(static_cast<unsigned>(event.event_type) & ~kFlag);
}

}  // namespace vb::door

using namespace vb;
using namespace vb::door;

VB_DOOR ibv_xrc_domain* ibv_open_xrc_domain(ibv_context* context, int fd, int oflag) {
  if (!ours(context)) return native_ibv_open_xrc_domain(context, fd, oflag);
  return pointer_entry([&] { return open_domain(context, fd, oflag); });
}

VB_DOOR int ibv_close_xrc_domain(ibv_xrc_domain* domain) {
  if (!ours(domain)) return native_ibv_close_xrc_domain(domain);
  return errno_entry([&] { return close_domain(OfedDomain::from(domain)); });
}

VB_DOOR ibv_srq* ibv_create_xrc_srq(ibv_pd* pd, ibv_xrc_domain* domain, ibv_cq* cq, ibv_srq_init_attr* attr) {
  if (!ours(pd)) return native_ibv_create_xrc_srq(pd, domain, cq, attr);
  return pointer_entry([&] { return create_xrc_srq(pd, OfedDomain::from(domain), cq, *attr); });
}

/// The domain stands behind the structure that today's programs have.
VB_DOOR int ibv_create_xrc_rcv_qp(ibv_qp_init_attr* attr, uint32_t* qpn) {
  if (!ours(reinterpret_cast<ibv_xrc_qp_init_attr*>(attr)->xrc_domain)) {
    return native_ibv_create_xrc_rcv_qp(attr, qpn);
  }
  return errno_entry([&] { return create_receiver(*attr, *qpn); });
}

VB_DOOR int ibv_modify_xrc_rcv_qp(ibv_xrc_domain* domain, uint32_t qpn, ibv_qp_attr* attr, int mask) {
  if (!ours(domain)) return native_ibv_modify_xrc_rcv_qp(domain, qpn, attr, mask);
  return errno_entry(
      [&] { return with(domain, qpn, [&](ibv_qp* qp) { return as_result(ibv_modify_qp(qp, attr, mask)); }); });
}

VB_DOOR int ibv_query_xrc_rcv_qp(ibv_xrc_domain* domain, uint32_t qpn, ibv_qp_attr* attr, int mask,
                                 ibv_qp_init_attr* init) {
  if (!ours(domain)) return native_ibv_query_xrc_rcv_qp(domain, qpn, attr, mask, init);
  return errno_entry(
      [&] { return with(domain, qpn, [&](ibv_qp* qp) { return as_result(ibv_query_qp(qp, attr, mask, init)); }); });
}

VB_DOOR int ibv_reg_xrc_rcv_qp(ibv_xrc_domain* domain, uint32_t qpn) {
  if (!ours(domain)) return native_ibv_reg_xrc_rcv_qp(domain, qpn);
  return errno_entry([&] { return register_with(domain, qpn); });
}

VB_DOOR int ibv_unreg_xrc_rcv_qp(ibv_xrc_domain* domain, uint32_t qpn) {
  if (!ours(domain)) return native_ibv_unreg_xrc_rcv_qp(domain, qpn);
  return errno_entry([&] { return unregister_from(domain, qpn); });
}
