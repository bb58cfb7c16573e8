// SPDX-License-Identifier: BSD-2-Clause
#include "rsocket/datagram_port.h"

#include <netinet/in.h>

#include <cstring>
#include <new>

namespace vb::rsocket {

namespace {

Error last_error() { return Error{errno ? errno : EIO}; }

/// The port of a socket is a matter of the kernel's UDP, so the identifier takes any.
sockaddr_storage without_port(const sockaddr* address) {
  sockaddr_storage out{};
  if (address->sa_family == AF_INET6) {
    memcpy(&out, address, sizeof(sockaddr_in6));
    reinterpret_cast<sockaddr_in6&>(out).sin6_port = 0;
  } else {
    memcpy(&out, address, sizeof(sockaddr_in));
    reinterpret_cast<sockaddr_in&>(out).sin_port = 0;
  }
  return out;
}

}  // namespace

DatagramPort::~DatagramPort() {
  if (id_ && id_->qp) rdma_destroy_qp(id_);
  if (cq_) {
    ibv_ack_cq_events(cq_, unacknowledged_);
    ibv_destroy_cq(cq_);
  }
  if (channel_) ibv_destroy_comp_channel(channel_);
  if (mr_) ibv_dereg_mr(mr_);
  if (id_) rdma_destroy_id(id_);
}

Result<void> DatagramPort::open(const sockaddr* local) {
  sockaddr_storage address = without_port(local);
  if (rdma_create_id(nullptr, &id_, nullptr, RDMA_PS_UDP) != 0) return last_error();
  door::keep_to_ours(id_);
  if (rdma_bind_addr(id_, reinterpret_cast<sockaddr*>(&address)) != 0) return last_error();
  if (!id_->verbs) return Error{ENODEV};
  gid_ = id_->route.addr.addr.ibaddr.sgid;
  if (auto found = find_gid_index(); !found) return found;
  if (auto made = make_queues(); !made) return made;
  return make_memory();
}

Result<void> DatagramPort::find_gid_index() {
  ibv_port_attr port{};
  if (ibv_query_port(id_->verbs, id_->port_num, reinterpret_cast<_compat_ibv_port_attr*>(&port)) != 0)
    return last_error();
  for (int index = 0; index < port.gid_tbl_len; ++index) {
    ibv_gid gid;
    if (ibv_query_gid(id_->verbs, id_->port_num, index, &gid) != 0) continue;
    if (memcmp(&gid, &gid_, sizeof gid) != 0) continue;
    gid_index_ = static_cast<uint8_t>(index);
    return {};
  }
  return Error{ENODEV};
}

Result<void> DatagramPort::make_queues() {
  channel_ = ibv_create_comp_channel(id_->verbs);
  if (!channel_) return last_error();
  fcntl(channel_->fd, F_SETFL, O_NONBLOCK);
  cq_ = ibv_create_cq(id_->verbs, kReceives + kSends, nullptr, channel_, 0);
  if (!cq_) return last_error();
  ibv_qp_init_attr attr{};
  attr.send_cq = attr.recv_cq = cq_;
  attr.qp_type = IBV_QPT_UD;
  attr.sq_sig_all = 1;
  attr.cap = {kSends, kReceives, 1, 1, 0};
  return rdma_create_qp(id_, nullptr, &attr) == 0 ? Result<void>() : last_error();
}

Result<void> DatagramPort::make_memory() {
  size_t size = kReceives * (kGrh + kMost) + kSends * kMost;
  memory_.reset(new (std::nothrow) unsigned char[size]);
  if (!memory_) return Error{ENOMEM};
  mr_ = ibv_reg_mr(id_->pd, memory_.get(), size, IBV_ACCESS_LOCAL_WRITE);
  if (!mr_) return last_error();
  for (uint32_t slot = 0; slot < kSends; ++slot) free_sends_.push_back(slot);
  for (uint32_t slot = 0; slot < kReceives; ++slot) post_receive(slot);
  return {};
}

/// What cannot be posted again is one buffer less: datagrams may be lost.
void DatagramPort::post_receive(uint32_t slot) {
  ibv_sge sge{reinterpret_cast<uint64_t>(receive_buffer(slot)), kGrh + kMost, mr_->lkey};
  ibv_recv_wr wr{}, *bad;
  wr.wr_id = slot;
  wr.sg_list = &sge;
  wr.num_sge = 1;
  ibv_post_recv(id_->qp, &wr, &bad);
}

bool DatagramPort::progress(const Receiver& receiver) {
  ibv_cq* cq;
  void* context;
  bool any = false;
  while (armed_ && ibv_get_cq_event(channel_, &cq, &context) == 0) {
    ++unacknowledged_;
    armed_ = false;
    any = true;
  }
  for (ibv_wc wc; ibv_poll_cq(cq_, 1, &wc) > 0; any = true) {
    if (wc.wr_id & kIsSend) {
      free_sends_.push_back(static_cast<uint32_t>(wc.wr_id));
    } else if (wc.status == IBV_WC_SUCCESS) {
      received(wc, receiver);
    }
  }
  return any;
}

void DatagramPort::received(const ibv_wc& wc, const Receiver& receiver) {
  auto slot = static_cast<uint32_t>(wc.wr_id);
  const unsigned char* buffer = receive_buffer(slot);
  ibv_gid from{};
  if (gid_.raw[10] == 0xff && gid_.raw[11] == 0xff && gid_.global.subnet_prefix == 0) {
    // RoCE v2 over IPv4: an IPv4 header stands in the last 20 bytes of the 40.
    from.raw[10] = from.raw[11] = 0xff;
    memcpy(from.raw + 12, buffer + 20 + 12, 4);
  } else {
    memcpy(&from, buffer + 8, sizeof from);
  }
  if (wc.byte_len >= kGrh) receiver(from, {buffer + kGrh, wc.byte_len - kGrh});
  post_receive(slot);
}

void DatagramPort::arm() {
  if (!std::exchange(armed_, true)) ibv_req_notify_cq(cq_, 0);
}

ibv_ah* DatagramPort::address(const ibv_gid& gid) {
  ibv_ah_attr attr{};
  attr.is_global = 1;
  attr.port_num = id_->port_num;
  attr.grh.dgid = gid;
  attr.grh.sgid_index = gid_index_;
  attr.grh.hop_limit = 64;
  return ibv_create_ah(id_->pd, &attr);
}

bool DatagramPort::send(ibv_ah* to, uint32_t qpn, size_t size, const std::function<void(unsigned char*)>& fill) {
  if (free_sends_.empty()) return false;
  uint32_t slot = free_sends_.back();
  fill(send_buffer(slot));
  ibv_sge sge{reinterpret_cast<uint64_t>(send_buffer(slot)), static_cast<uint32_t>(size), mr_->lkey};
  ibv_send_wr wr{}, *bad;
  wr.wr_id = kIsSend | slot;
  wr.sg_list = &sge;
  wr.num_sge = 1;
  wr.opcode = IBV_WR_SEND;
  wr.wr.ud.ah = to;
  wr.wr.ud.remote_qpn = qpn;
  wr.wr.ud.remote_qkey = RDMA_UDP_QKEY;
  if (ibv_post_send(id_->qp, &wr, &bad) == 0) free_sends_.pop_back();
  return true;  // what is refused is lost, as datagrams may be
}

}  // namespace vb::rsocket
