// SPDX-License-Identifier: BSD-2-Clause
#include "raw_endpoint.h"

#include <rdma/fi_cm.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>

namespace vb::bench {
namespace {

constexpr uint32_t kVersion = FI_VERSION(1, 17);
constexpr size_t kPage = 4096;
constexpr size_t kCompletionBatch = 16;
constexpr uint64_t kRequestedKey = 0x76622d726177;  // any; providers with FI_MR_PROV_KEY choose their own

void check(long status, const char* what) {
  if (status >= 0) return;
  throw std::runtime_error(std::string(what) + ": " + fi_strerror(static_cast<int>(-status)));
}

}  // namespace

RawEndpoint::RawEndpoint(const std::string& provider, const std::string& node, size_t message_size)
    : info_(find(provider, node)),
      stride_((message_size + kPage - 1) / kPage * kPage),
      buffer_(static_cast<unsigned char*>(std::aligned_alloc(kPage, 3 * stride_))) {
  if (!buffer_) throw std::bad_alloc();
  std::memset(buffer_.get(), 0, 3 * stride_);
  open();
  register_buffer();
}

fi_info* RawEndpoint::find(const std::string& provider, const std::string& node) {
  std::unique_ptr<fi_info, FreeInfo> hints(fi_allocinfo());
  hints->caps = FI_MSG | FI_RMA;
  hints->mode = FI_CONTEXT | FI_CONTEXT2;
  hints->ep_attr->type = FI_EP_RDM;
  hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_ALLOCATED | FI_MR_PROV_KEY | FI_MR_VIRT_ADDR | FI_MR_ENDPOINT;
  hints->domain_attr->threading = FI_THREAD_DOMAIN;
  hints->domain_attr->control_progress = FI_PROGRESS_MANUAL;
  hints->domain_attr->data_progress = FI_PROGRESS_MANUAL;
  hints->fabric_attr->prov_name = ::strdup(provider.c_str());
  const bool binds = provider != "shm";
  fi_info* info = nullptr;
  check(fi_getinfo(kVersion, binds ? node.c_str() : nullptr, nullptr, binds ? FI_SOURCE : 0, hints.get(), &info),
        "fi_getinfo");
  if (provider == info->fabric_attr->prov_name) return info;
  // libfabric answers "tcp" with a layered "tcp;ofi_rxm" where tcp has no RDM endpoints of its own.
  const std::string found = info->fabric_attr->prov_name;
  fi_freeinfo(info);
  throw std::runtime_error("no provider " + provider + ", only " + found);
}

void RawEndpoint::open() {
  fid_fabric* fabric = nullptr;
  check(fi_fabric(info_->fabric_attr, &fabric, nullptr), "fi_fabric");
  fabric_.reset(fabric);
  fid_domain* domain = nullptr;
  check(fi_domain(fabric, info_.get(), &domain, nullptr), "fi_domain");
  domain_.reset(domain);
  fi_av_attr av_attr{};
  av_attr.type = FI_AV_TABLE;
  fid_av* av = nullptr;
  check(fi_av_open(domain, &av_attr, &av, nullptr), "fi_av_open");
  addresses_.reset(av);
  fi_cq_attr cq_attr{};
  cq_attr.format = FI_CQ_FORMAT_MSG;
  cq_attr.wait_obj = FI_WAIT_NONE;
  cq_attr.size = info_->tx_attr->size + info_->rx_attr->size;
  fid_cq* cq = nullptr;
  check(fi_cq_open(domain, &cq_attr, &cq, nullptr), "fi_cq_open");
  completions_.reset(cq);
  fid_ep* endpoint = nullptr;
  check(fi_endpoint(domain, info_.get(), &endpoint, nullptr), "fi_endpoint");
  endpoint_.reset(endpoint);
  check(fi_ep_bind(endpoint, &av->fid, 0), "fi_ep_bind");
  check(fi_ep_bind(endpoint, &cq->fid, FI_TRANSMIT | FI_RECV), "fi_ep_bind");
  check(fi_enable(endpoint), "fi_enable");
  transmit_contexts_.resize(info_->tx_attr->size);
}

void RawEndpoint::register_buffer() {
  fid_mr* mr = nullptr;
  check(fi_mr_reg(domain_.get(), buffer_.get(), 3 * stride_,
                  FI_SEND | FI_RECV | FI_READ | FI_WRITE | FI_REMOTE_READ | FI_REMOTE_WRITE, 0, kRequestedKey, 0, &mr,
                  nullptr),
        "fi_mr_reg");
  registration_.reset(mr);
  if (info_->domain_attr->mr_mode & FI_MR_ENDPOINT) {
    check(fi_mr_bind(mr, &endpoint_->fid, 0), "fi_mr_bind");
    check(fi_mr_enable(mr), "fi_mr_enable");
  }
  descriptor_ = fi_mr_desc(mr);
}

std::vector<unsigned char> RawEndpoint::name() const {
  std::vector<unsigned char> name(512);
  size_t size = name.size();
  check(fi_getname(&endpoint_->fid, name.data(), &size), "fi_getname");
  name.resize(size);
  return name;
}

void RawEndpoint::set_peer(const std::vector<unsigned char>& name, const RemoteMemory& memory) {
  if (fi_av_insert(addresses_.get(), name.data(), 1, &peer_, 0, nullptr) != 1) throw std::runtime_error("fi_av_insert");
  remote_ = memory;
}

RemoteMemory RawEndpoint::memory() const {
  const bool by_address = (info_->domain_attr->mr_mode & FI_MR_VIRT_ADDR) != 0;
  const uint64_t offset = 2 * stride_;
  return {by_address ? reinterpret_cast<uint64_t>(buffer_.get()) + offset : offset, fi_mr_key(registration_.get())};
}

void RawEndpoint::post_receives(size_t count) {
  receive_contexts_.resize(std::min(count, info_->rx_attr->size));
  for (fi_context2& context : receive_contexts_) {
    if (!post_receive(context)) throw std::runtime_error("fi_recv: receive queue full");
  }
}

// All receives share one buffer, as in the verbs benchmarks that this one is compared with.
bool RawEndpoint::post_receive(fi_context2& context) {
  return accepted(fi_recv(endpoint_.get(), buffer_.get() + stride_, stride_, descriptor_, FI_ADDR_UNSPEC, &context),
                  "fi_recv");
}

bool RawEndpoint::accepted(ssize_t status, const char* what) const {
  if (status == 0) return true;
  if (status == -FI_EAGAIN) return false;
  check(status, what);
  return false;
}

// Contexts are taken in turn: no more operations are outstanding than the provider has room for, tx_attr->size.
bool RawEndpoint::send(size_t size) {
  fi_context2& context = transmit_contexts_[next_context_];
  if (!accepted(fi_send(endpoint_.get(), outgoing(), size, descriptor_, peer_, &context), "fi_send")) return false;
  if (++next_context_ == transmit_contexts_.size()) next_context_ = 0;
  return true;
}

bool RawEndpoint::inject(size_t size) {
  return accepted(fi_inject(endpoint_.get(), outgoing(), size, peer_), "fi_inject");
}

bool RawEndpoint::rma_write(size_t size) {
  fi_context2& context = transmit_contexts_[next_context_];
  const ssize_t status =
      fi_write(endpoint_.get(), outgoing(), size, descriptor_, peer_, remote_.address, remote_.key, &context);
  if (!accepted(status, "fi_write")) return false;
  if (++next_context_ == transmit_contexts_.size()) next_context_ = 0;
  return true;
}

bool RawEndpoint::rma_read(size_t size) {
  fi_context2& context = transmit_contexts_[next_context_];
  const ssize_t status =
      fi_read(endpoint_.get(), outgoing(), size, descriptor_, peer_, remote_.address, remote_.key, &context);
  if (!accepted(status, "fi_read")) return false;
  if (++next_context_ == transmit_contexts_.size()) next_context_ = 0;
  return true;
}

void RawEndpoint::progress() {
  fi_cq_msg_entry entries[kCompletionBatch];
  const ssize_t count = fi_cq_read(completions_.get(), entries, kCompletionBatch);
  if (count == -FI_EAGAIN) return;
  if (count == -FI_EAVAIL) throw_completion_error();
  check(count, "fi_cq_read");
  for (ssize_t i = 0; i < count; ++i) {
    if (entries[i].flags & FI_RECV) {
      ++received_;
      if (!post_receive(*static_cast<fi_context2*>(entries[i].op_context)))
        throw std::runtime_error("fi_recv: queue full");
    } else {
      ++completed_;
    }
  }
}

void RawEndpoint::throw_completion_error() {
  fi_cq_err_entry error{};
  fi_cq_readerr(completions_.get(), &error, 0);
  // shm of libfabric 1.17 reports negative numbers here.
  throw std::runtime_error(std::string("completion: ") + fi_strerror(std::abs(error.err)));
}

}  // namespace vb::bench
