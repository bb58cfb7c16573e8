// SPDX-License-Identifier: BSD-2-Clause
#include <cerrno>

#include "support/end.h"

namespace vt {

int End::to_datagrams(uint32_t qkey, int qp) {
  ibv_qp_attr attr{};
  attr.qp_state = IBV_QPS_INIT;
  attr.port_num = kPort;
  attr.qkey = qkey;
  int rc = ibv_modify_qp(this->qp(qp), &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY);
  if (rc) return rc;
  attr.qp_state = IBV_QPS_RTR;
  if ((rc = ibv_modify_qp(this->qp(qp), &attr, IBV_QP_STATE))) return rc;
  attr.qp_state = IBV_QPS_RTS;
  return ibv_modify_qp(this->qp(qp), &attr, IBV_QP_STATE | IBV_QP_SQ_PSN);
}

ibv_ah_attr End::ah_attr(const ibv_gid& to) const {
  ibv_ah_attr attr{};
  attr.is_global = 1;
  attr.port_num = kPort;
  attr.grh.dgid = to;
  attr.grh.sgid_index = static_cast<uint8_t>(options_.gid_index);
  attr.grh.hop_limit = 64;
  attr.grh.traffic_class = kTrafficClass;
  return attr;
}

uint64_t End::keep(ibv_ah* ah) {
  if (!ah) throw std::runtime_error("no address handle, errno " + std::to_string(errno));
  handles_.emplace_back(ah);
  return reinterpret_cast<uint64_t>(ah);
}

uint64_t End::make_ah(ibv_gid to) {
  ibv_ah_attr attr = ah_attr(to);
  return keep(ibv_create_ah(pd_.get(), &attr));
}

uint64_t End::make_ah_in_other_pd(ibv_gid to) {
  if (!other_pd_) other_pd_.reset(ibv_alloc_pd(context_.get()));
  ibv_ah_attr attr = ah_attr(to);
  return keep(ibv_create_ah(other_pd_.get(), &attr));
}

uint64_t End::make_ah_from(ibv_wc wc, uint64_t grh_offset) {
  auto* grh = reinterpret_cast<ibv_grh*>(buffer_.data() + grh_offset);
  return keep(ibv_create_ah_from_wc(pd_.get(), &wc, grh, kPort));
}

void End::drop_handles() { handles_.clear(); }

int End::attach(ibv_gid group, int qp) { return ibv_attach_mcast(this->qp(qp), &group, 0); }
int End::detach(ibv_gid group, int qp) { return ibv_detach_mcast(this->qp(qp), &group, 0); }

uint32_t End::qkey_violations() {
  ibv_port_attr port{};
  if (ibv_query_port(context_.get(), kPort, &port)) throw std::runtime_error("ibv_query_port failed");
  return port.qkey_viol_cntr;
}

}  // namespace vt
