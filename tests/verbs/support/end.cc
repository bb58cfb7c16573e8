// SPDX-License-Identifier: BSD-2-Clause
#include "support/end.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

namespace vt {
namespace {

template <class T>
T checked(T object, const char* what) {
  if (!object) throw std::runtime_error(std::string(what) + " failed, errno " + std::to_string(errno));
  return object;
}

uint32_t psn_of(uint32_t qpn) { return (qpn * 7919) & 0xffffff; }

// Calls post(chain head, &bad) and finds the bad request's place.
template <class Wr, class Requests, class Post>
PostResult post_chain(Requests& requests, std::vector<Wr>& chain, Post post) {
  for (size_t i = 0; i < chain.size(); ++i) {
    chain[i].next = i + 1 < chain.size() ? &chain[i + 1] : nullptr;
    chain[i].sg_list = requests[i].sges.data();
    chain[i].num_sge = static_cast<int>(requests[i].sges.size());
  }
  Wr* bad = nullptr;
  PostResult result{.rc = post(chain.data(), &bad)};
  if (bad) result.bad = static_cast<int>(bad - chain.data());
  return result;
}

}  // namespace

std::vector<ibv_wc> poll_now(ibv_cq* cq) {
  std::vector<ibv_wc> all;
  ibv_wc wc{};
  while (ibv_poll_cq(cq, 1, &wc) == 1) all.push_back(wc);
  return all;
}

std::vector<ibv_wc> wait_cq(ibv_cq* cq, int count, Deadline deadline) {
  std::vector<ibv_wc> all;
  while (static_cast<int>(all.size()) < count) {
    ibv_wc wc{};
    int n = ibv_poll_cq(cq, 1, &wc);
    if (n < 0) throw std::runtime_error("ibv_poll_cq failed");
    if (n == 1) {
      all.push_back(wc);
      continue;
    }
    if (deadline.expired()) break;
    sched_yield();
  }
  return all;
}

ibv_qp_attr init_attr(const Link& link) {
  ibv_qp_attr attr{};
  attr.qp_state = IBV_QPS_INIT;
  attr.port_num = kPort;
  attr.qp_access_flags = static_cast<unsigned>(link.qp_access);
  return attr;
}

ibv_qp_attr rtr_attr(const Address& peer, const Link& link, int own_gid_index, ibv_mtu mtu) {
  ibv_qp_attr attr{};
  attr.qp_state = IBV_QPS_RTR;
  attr.path_mtu = mtu;
  attr.dest_qp_num = peer.qpn;
  attr.rq_psn = peer.psn;
  attr.max_dest_rd_atomic = link.dest_rd_atomic;
  attr.min_rnr_timer = link.min_rnr_timer;
  attr.ah_attr.is_global = 1;
  attr.ah_attr.grh.dgid = peer.gid;
  attr.ah_attr.grh.sgid_index = static_cast<uint8_t>(own_gid_index);
  attr.ah_attr.grh.hop_limit = 64;
  attr.ah_attr.port_num = kPort;
  return attr;
}

ibv_qp_attr rts_attr(uint32_t psn, const Link& link) {
  ibv_qp_attr attr{};
  attr.qp_state = IBV_QPS_RTS;
  attr.sq_psn = psn;
  attr.timeout = link.timeout;
  attr.retry_cnt = link.retry_cnt;
  attr.rnr_retry = link.rnr_retry;
  attr.max_rd_atomic = link.rd_atomic;
  return attr;
}

int init_mask() { return IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS; }

int rtr_mask(ibv_qp_type type) {
  int mask = IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN;
  bool responds = type == IBV_QPT_RC || type == IBV_QPT_XRC_RECV;
  return responds ? mask | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER : mask;
}

int rts_mask(ibv_qp_type type) {
  int mask = IBV_QP_STATE | IBV_QP_SQ_PSN;
  if (type == IBV_QPT_XRC_RECV) return mask | IBV_QP_TIMEOUT;
  if (type == IBV_QPT_UC) return mask;
  return mask | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_MAX_QP_RD_ATOMIC;
}

End::End(const EndOptions& options) : options_(options), buffer_(options.buffer), context_(open_device()) {
  if (options_.gid_index < 0) options_.gid_index = vt::gid_index(context_.get());
  pd_.reset(checked(ibv_alloc_pd(context_.get()), "ibv_alloc_pd"));
  channel_.reset(checked(ibv_create_comp_channel(context_.get()), "ibv_create_comp_channel"));
  send_cq_.reset(checked(ibv_create_cq(context_.get(), options.cqe, this, channel_.get(), 0), "ibv_create_cq"));
  recv_cq_.reset(checked(ibv_create_cq(context_.get(), options.cqe, this, channel_.get(), 0), "ibv_create_cq"));
  mr_.reset(checked(ibv_reg_mr(pd_.get(), buffer_.data(), buffer_.size(), options.access), "ibv_reg_mr"));
  if (options.srq) {
    ibv_srq_init_attr attr{.srq_context = this, .attr = {options.srq_wr, options.max_sge, 0}};
    srq_.reset(checked(ibv_create_srq(pd_.get(), &attr), "ibv_create_srq"));
  }
  if (options.type == IBV_QPT_XRC_RECV) make_xrc_domain();
  for (int i = 0; i < options.qps; ++i) make_qp();
}

void End::make_xrc_domain() {
  std::string file(options_.xrc_file);
  ibv_xrcd_init_attr domain{IBV_XRCD_INIT_ATTR_FD | IBV_XRCD_INIT_ATTR_OFLAGS, -1, O_CREAT};
  if (!file.empty()) domain.fd = open(file.c_str(), O_RDONLY | O_CREAT, 0600);
  xrcd_.reset(ibv_open_xrcd(context_.get(), &domain));
  if (domain.fd >= 0) close(domain.fd);
  checked(xrcd_.get(), "ibv_open_xrcd");
  ibv_srq_init_attr_ex attr{};
  attr.srq_context = this;
  attr.attr = {options_.srq_wr, options_.max_sge, 0};
  attr.comp_mask = IBV_SRQ_INIT_ATTR_TYPE | IBV_SRQ_INIT_ATTR_PD | IBV_SRQ_INIT_ATTR_XRCD | IBV_SRQ_INIT_ATTR_CQ;
  attr.srq_type = IBV_SRQT_XRC;
  attr.pd = pd_.get();
  attr.xrcd = xrcd_.get();
  attr.cq = recv_cq_.get();
  srq_.reset(checked(ibv_create_srq_ex(context_.get(), &attr), "ibv_create_srq_ex"));
}

void End::make_qp() {
  if (xrcd_) {
    ibv_qp_init_attr_ex target{};
    target.qp_context = this;
    target.qp_type = IBV_QPT_XRC_RECV;
    target.comp_mask = IBV_QP_INIT_ATTR_XRCD;
    target.xrcd = xrcd_.get();
    qps_.emplace_back(checked(ibv_create_qp_ex(context_.get(), &target), "ibv_create_qp_ex"));
    return;
  }
  ibv_qp_init_attr attr{};
  attr.qp_context = this;
  attr.send_cq = send_cq_.get();
  attr.recv_cq = recv_cq_.get();
  attr.srq = srq_.get();
  attr.cap = {options_.max_send_wr, srq_ ? 0 : options_.max_recv_wr, options_.max_sge, srq_ ? 0 : options_.max_sge,
              options_.max_inline};
  attr.qp_type = options_.type;
  attr.sq_sig_all = options_.sig_all;
  qps_.emplace_back(checked(ibv_create_qp(pd_.get(), &attr), "ibv_create_qp"));
}

uint32_t End::srq_number() {
  uint32_t number = 0;
  if (ibv_get_srq_num(srq_.get(), &number)) throw std::runtime_error("ibv_get_srq_num failed");
  return number;
}

int End::open_target(uint32_t qpn) {
  ibv_qp_open_attr attr{};
  attr.comp_mask = IBV_QP_OPEN_ATTR_NUM | IBV_QP_OPEN_ATTR_XRCD | IBV_QP_OPEN_ATTR_CONTEXT | IBV_QP_OPEN_ATTR_TYPE;
  attr.qp_num = qpn;
  attr.xrcd = xrcd_.get();
  attr.qp_context = this;
  attr.qp_type = IBV_QPT_XRC_RECV;
  errno = 0;
  ibv_qp* qp = ibv_open_qp(context_.get(), &attr);
  if (qp) qps_.emplace_back(qp);
  return qp ? 0 : errno;
}

Address End::address(int qp) {
  uint32_t qpn = qps_.empty() ? 0 : this->qp(qp)->qp_num;
  return {.gid = gid_at(context_.get(), options_.gid_index),
          .qpn = qpn,
          .psn = psn_of(qpn),
          .buffer = reinterpret_cast<uint64_t>(buffer_.data()),
          .length = buffer_.size(),
          .lkey = mr_->lkey,
          .rkey = mr_->rkey};
}

int End::to_init(Link link, int qp) {
  ibv_qp_attr attr = init_attr(link);
  return ibv_modify_qp(this->qp(qp), &attr, init_mask());
}

int End::to_rtr(Address peer, Link link, int qp) {
  ibv_qp_attr attr = rtr_attr(peer, link, options_.gid_index, active_mtu(context_.get()));
  return ibv_modify_qp(this->qp(qp), &attr, rtr_mask(options_.type));
}

int End::to_rts(Link link, int qp) {
  ibv_qp_attr attr = rts_attr(psn_of(this->qp(qp)->qp_num), link);
  return ibv_modify_qp(this->qp(qp), &attr, rts_mask(options_.type));
}

int End::connect(Address peer, Link link, int qp) {
  if (int rc = to_init(link, qp)) return rc;
  if (int rc = to_rtr(peer, link, qp)) return rc;
  return to_rts(link, qp);
}

int End::move(ibv_qp_state state, int qp) {
  ibv_qp_attr attr{};
  attr.qp_state = state;
  return ibv_modify_qp(this->qp(qp), &attr, IBV_QP_STATE);
}

QpView End::query(int qp, int mask) {
  QpView view;
  view.rc = ibv_query_qp(this->qp(qp), &view.attr, mask, &view.init);
  return view;
}

int End::destroy_qp(int qp) { return ibv_destroy_qp(qps_.at(static_cast<size_t>(qp)).release()); }

int End::index_of(const ibv_qp* qp) const {
  for (size_t i = 0; i < qps_.size(); ++i)
    if (qps_[i].get() == qp) return static_cast<int>(i);
  return -1;
}

PostResult End::post_send(std::vector<SendWr> requests, int qp) {
  std::vector<ibv_send_wr> chain;
  for (const SendWr& request : requests) chain.push_back(request.wr);
  return post_chain(requests, chain,
                    [&](ibv_send_wr* head, ibv_send_wr** bad) { return ibv_post_send(this->qp(qp), head, bad); });
}

PostResult End::post_recv(std::vector<RecvWr> requests, int qp) {
  std::vector<ibv_recv_wr> chain(requests.size());
  for (size_t i = 0; i < chain.size(); ++i) chain[i].wr_id = requests[i].wr_id;
  return post_chain(requests, chain, [&](ibv_recv_wr* head, ibv_recv_wr** bad) {
    return srq_ ? ibv_post_srq_recv(srq_.get(), head, bad) : ibv_post_recv(this->qp(qp), head, bad);
  });
}

std::vector<ibv_wc> End::wait_send(int count) { return wait_cq(send_cq_.get(), count); }
std::vector<ibv_wc> End::wait_recv(int count) { return wait_cq(recv_cq_.get(), count); }
std::vector<ibv_wc> End::poll_send() { return poll_now(send_cq_.get()); }
std::vector<ibv_wc> End::poll_recv() { return poll_now(recv_cq_.get()); }

AsyncEvent End::wait_event(int milliseconds) {
  pollfd fd{.fd = context_->async_fd, .events = POLLIN, .revents = 0};
  if (poll(&fd, 1, milliseconds) != 1) return {};
  ibv_async_event event{};
  if (ibv_get_async_event(context_.get(), &event)) throw std::runtime_error("ibv_get_async_event failed");
  AsyncEvent seen{.type = event.event_type};
  if (event.event_type == IBV_EVENT_SRQ_LIMIT_REACHED || event.event_type == IBV_EVENT_SRQ_ERR)
    seen.srq = event.element.srq == srq_.get();
  else
    seen.qp = index_of(event.element.qp);
  ibv_ack_async_event(&event);
  return seen;
}

int End::set_srq_limit(uint32_t limit) {
  ibv_srq_attr attr{};
  attr.srq_limit = limit;
  return ibv_modify_srq(srq_.get(), &attr, IBV_SRQ_LIMIT);
}

}  // namespace vt
