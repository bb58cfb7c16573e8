// SPDX-License-Identifier: BSD-2-Clause
#include "fabric/ofi_endpoint.h"

#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_rma.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/device_name.h"
#include "base/log.h"
#include "base/random.h"
#include "fabric/library.h"
#include "fabric/shm_endpoint.h"
#include "fabric/signal_keeper.h"
#include "native/inside_fabric.h"

namespace vb::fabric {

namespace {

struct CloseFid {
  template <class T>
  void operator()(T* object) const {
    fi_close(&object->fid);
  }
};
template <class T>
using Owned = std::unique_ptr<T, CloseFid>;

struct FreeInfo {
  void operator()(fi_info* info) const { (*library())->freeinfo(info); }
};
using Info = std::unique_ptr<fi_info, FreeInfo>;

/// A program that uses libfabric has made it list our devices: the next turn of the circle would be ours.
bool on_our_device(const fi_info& info) {
  const char* domain = info.domain_attr->name;
  return domain && strncmp(domain, kDevicePrefix, sizeof kDevicePrefix - 1) == 0;
}

/// The first that stands on something else than a device of ours.
Result<Info> first_foreign(Info list) {
  const fi_info* each = list.get();
  while (each && on_our_device(*each)) each = each->next;
  if (each == list.get()) return list;
  if (!each) return Error{ENODATA};
  Info copy((*library())->dupinfo(each));
  if (!copy) return Error{ENOMEM};
  return copy;
}

Result<Info> get_info(const std::string& provider, const std::string& node) {
  auto lib = library();
  if (!lib) return Error{lib.error()};
  native::InsideFabric mark;
  SignalKeeper signals;
  Info hints((*lib)->dupinfo(nullptr));
  if (!hints) return Error{ENOMEM};
  hints->caps = FI_MSG | FI_RMA;
  hints->mode = FI_CONTEXT | FI_CONTEXT2;
  hints->ep_attr->type = FI_EP_RDM;
  hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_ALLOCATED | FI_MR_PROV_KEY | FI_MR_VIRT_ADDR | FI_MR_ENDPOINT;
  hints->domain_attr->threading = FI_THREAD_DOMAIN;
  hints->domain_attr->control_progress = FI_PROGRESS_MANUAL;
  hints->domain_attr->data_progress = FI_PROGRESS_MANUAL;
  hints->fabric_attr->prov_name = strdup(provider.c_str());
  fi_info* info = nullptr;
  bool bind = !node.empty();
  int status = (*lib)->getinfo(FI_VERSION(1, 17), bind ? node.c_str() : nullptr, nullptr, bind ? FI_SOURCE : 0,
                               hints.get(), &info);
  if (status != 0) return Error{-status};
  return first_foreign(Info(info));
}

/// Frames no larger than this travel at message cost; above, a pull by the fabric is as good.
size_t frame_size(const fi_info& info) {
  size_t inject = info.tx_attr->inject_size;
  size_t size = inject >= 2048 ? inject : 16384;  // Where injection copies into shared memory, its size is the break.
  return std::min({size, info.ep_attr->max_msg_size, size_t{32768}});
}

constexpr size_t kReceives = 256;
constexpr size_t kMostSpent = kReceives / 4;
constexpr size_t kSomeSpent = kReceives / 16;
/// Between receive buffers: of pages each, they would all meet in the same sets of the cache.
constexpr size_t kSpread = 64;

class OfiEndpoint : public Endpoint {
 public:
  ~OfiEndpoint() override {
    endpoint_.reset();  // before what it is bound to
  }

  Result<void> open(Info info, const OpenOptions& options);
  void close() override { endpoint_.reset(); }
  void abandon(Sink& sink) override;

  std::vector<unsigned char> name() const override;
  Result<Peer> add_peer(std::span<const unsigned char> name) override;
  void remove_peer(Peer peer) override;
  int send(Peer peer, Frame& frame) override;
  int read(Peer peer, void* local, size_t length, const Registration& into, uint64_t remote, uint64_t key,
           Transfer& transfer) override;
  int write(Peer peer, const void* local, size_t length, const Registration& from, uint64_t remote, uint64_t key,
            Transfer& transfer) override;
  Result<Registration> register_memory(void* address, size_t length, unsigned access) override;
  void unregister(Registration& registration) override;
  size_t poll(Sink& sink) override;
  int wait_fd() const override { return wait_fd_; }
  bool may_sleep() override;

 private:
  enum class What : uint8_t { kReceive, kFrame, kTransfer };

  struct Receive {
    fi_context2 context;  // first: the provider hands its address back
    unsigned char* data;
  };

  Result<void> open_objects(const OpenOptions& options);
  Result<void> open_queue();
  Result<void> post_receives();
  int post(Receive& receive);
  void post_spent();
  void report_error(Sink& sink);
  int track(ssize_t status, InFlight& operation, bool transfer);
  void complete(InFlight& operation, int error, Sink& sink);
  Receive* as_receive(void* context);

  Info info_;
  Owned<fid_fabric> fabric_;
  Owned<fid_domain> domain_;
  Owned<fid_av> av_;
  Owned<fid_cq> cq_;
  Owned<fid_ep> endpoint_;
  std::unique_ptr<unsigned char[]> receive_memory_;
  void* receive_descriptor_ = nullptr;
  std::unique_ptr<Receive[]> receives_;
  /// Taken, and not posted again yet: that is done in numbers, best when nothing else is to do.
  std::array<Receive*, kMostSpent> spent_;
  size_t spent_count_ = 0;
  InFlight* oldest_ = nullptr;  ///< in the order of issue
  InFlight** newest_ = &oldest_;
  bool anonymous_errors_ = false;
  int wait_fd_ = -1;
};

Result<void> OfiEndpoint::open(Info info, const OpenOptions& options) {
  info_ = std::move(info);
  traits_.provider = info_->fabric_attr->prov_name;
  traits_.frame_size = frame_size(*info_);
  traits_.inject_size = info_->tx_attr->inject_size;
  traits_.max_transfer = info_->ep_attr->max_msg_size;
  traits_.reads_in_order = (info_->tx_attr->msg_order & FI_ORDER_RAR) != 0;
  traits_.registers_local = (info_->domain_attr->mr_mode & FI_MR_LOCAL) != 0;
  traits_.registers_anything = (info_->domain_attr->mr_mode & FI_MR_ALLOCATED) == 0;
  // Shared memory moves data in the caller's context and reports what fails without saying which transfer it was.
  anonymous_errors_ = traits_.reaches_by_kernel = traits_.provider == "shm";
  native::InsideFabric mark;
  SignalKeeper signals;
  auto opened = open_objects(options);
  return opened && !options.only_transfers ? post_receives() : opened;
}

Result<void> OfiEndpoint::open_objects(const OpenOptions& options) {
  if (!options.name.empty()) {
    free(info_->src_addr);
    info_->src_addr = strdup(options.name.c_str());
    info_->src_addrlen = options.name.size() + 1;
  }
  fid_fabric* fabric = nullptr;
  if (int status = (*library())->open_fabric(info_->fabric_attr, &fabric, nullptr)) return Error{-status};
  fabric_.reset(fabric);
  fid_domain* domain = nullptr;
  if (int status = fi_domain(fabric, info_.get(), &domain, nullptr)) return Error{-status};
  domain_.reset(domain);
  fid_ep* endpoint = nullptr;
  if (int status = fi_endpoint(domain, info_.get(), &endpoint, nullptr)) return Error{-status};
  endpoint_.reset(endpoint);
  fi_av_attr av_attr{};
  av_attr.type = info_->domain_attr->av_type == FI_AV_UNSPEC ? FI_AV_TABLE : info_->domain_attr->av_type;
  fid_av* av = nullptr;
  if (int status = fi_av_open(domain, &av_attr, &av, nullptr)) return Error{-status};
  av_.reset(av);
  if (auto queue = open_queue(); !queue) return queue;
  if (int status = fi_ep_bind(endpoint, &av->fid, 0)) return Error{-status};
  if (int status = fi_ep_bind(endpoint, &cq_->fid, FI_TRANSMIT | FI_RECV)) return Error{-status};
  if (int status = fi_enable(endpoint)) return Error{-status};
  return {};
}

Result<void> OfiEndpoint::open_queue() {
  fi_cq_attr attr{};
  attr.format = FI_CQ_FORMAT_MSG;
  attr.size = info_->tx_attr->size + info_->rx_attr->size;
  attr.wait_obj = FI_WAIT_FD;
  fid_cq* cq = nullptr;
  int status = fi_cq_open(domain_.get(), &attr, &cq, nullptr);
  traits_.has_wait_fd = status == 0;
  if (status != 0) {  // no waitable fd: sleeping needs the peer's doorbell
    attr.wait_obj = FI_WAIT_NONE;
    status = fi_cq_open(domain_.get(), &attr, &cq, nullptr);
  }
  if (status != 0) return Error{-status};
  cq_.reset(cq);
  if (traits_.has_wait_fd && fi_control(&cq->fid, FI_GETWAIT, &wait_fd_) != 0) {
    wait_fd_ = -1;
    traits_.has_wait_fd = false;
  }
  return {};
}

Result<void> OfiEndpoint::post_receives() {
  const size_t count = std::min(kReceives, info_->rx_attr->size);
  const size_t stride = traits_.frame_size + kSpread;
  receive_memory_.reset(new unsigned char[count * stride]);
  receives_.reset(new Receive[count]);
  if (traits_.registers_local) {
    auto registration = register_memory(receive_memory_.get(), count * stride, kLocal);
    if (!registration) return Error{registration.error()};
    receive_descriptor_ = registration->descriptor;
  }
  for (size_t i = 0; i < count; ++i) {
    receives_[i].data = receive_memory_.get() + i * stride;
    if (int status = post(receives_[i])) return Error{status};
  }
  return {};
}

int OfiEndpoint::post(Receive& receive) {
  ssize_t status;
  do {
    status = fi_recv(endpoint_.get(), receive.data, traits_.frame_size, receive_descriptor_, FI_ADDR_UNSPEC,
                     &receive.context);
  } while (status == -FI_EAGAIN);
  return static_cast<int>(-status);
}

void OfiEndpoint::post_spent() {
  while (spent_count_ != 0) post(*spent_[--spent_count_]);
}

std::vector<unsigned char> OfiEndpoint::name() const {
  if (!endpoint_) return {};
  std::vector<unsigned char> name(512);
  size_t size = name.size();
  if (fi_getname(&endpoint_->fid, name.data(), &size) != 0) size = 0;
  name.resize(size);
  return name;
}

Result<Peer> OfiEndpoint::add_peer(std::span<const unsigned char> name) {
  if (!endpoint_) return Error{ESHUTDOWN};
  fi_addr_t peer = FI_ADDR_UNSPEC;
  int inserted = fi_av_insert(av_.get(), name.data(), 1, &peer, 0, nullptr);
  if (inserted != 1) return Error{inserted < 0 ? -inserted : EINVAL};
  return Peer{peer};
}

void OfiEndpoint::remove_peer(Peer peer) {
  fi_addr_t address = peer;
  fi_av_remove(av_.get(), &address, 1, 0);
}

// Not fi_inject: it is no faster here, and what fails of it comes back without a context that could be trusted.
int OfiEndpoint::send(Peer peer, Frame& frame) {
  if (!endpoint_) [[unlikely]]
    return ESHUTDOWN;
  return track(fi_send(endpoint_.get(), frame.data, frame.size, frame.descriptor, peer, frame.provider_context), frame,
               false);
}

int OfiEndpoint::track(ssize_t status, InFlight& operation, bool transfer) {
  if (status != 0) return static_cast<int>(-status);
  operation.transfer = transfer;
  operation.newer = nullptr;
  operation.place = newest_;
  *newest_ = &operation;
  newest_ = &operation.newer;
  return 0;
}

void OfiEndpoint::complete(InFlight& operation, int error, Sink& sink) {
  *operation.place = operation.newer;
  (operation.newer ? operation.newer->place : newest_) = operation.place;
  operation.place = nullptr;
  if (operation.transfer) return sink.finished(static_cast<Transfer&>(operation), error);
  sink.released(static_cast<Frame&>(operation), error);
}

int OfiEndpoint::read(Peer peer, void* local, size_t length, const Registration& into, uint64_t remote, uint64_t key,
                      Transfer& transfer) {
  if (!endpoint_) [[unlikely]]
    return ESHUTDOWN;
  return track(fi_read(endpoint_.get(), local, length, into.descriptor, peer, remote, key, transfer.provider_context),
               transfer, true);
}

int OfiEndpoint::write(Peer peer, const void* local, size_t length, const Registration& from, uint64_t remote,
                       uint64_t key, Transfer& transfer) {
  if (!endpoint_) [[unlikely]]
    return ESHUTDOWN;
  return track(fi_write(endpoint_.get(), local, length, from.descriptor, peer, remote, key, transfer.provider_context),
               transfer, true);
}

Result<Registration> OfiEndpoint::register_memory(void* address, size_t length, unsigned access) {
  if (!endpoint_) return Error{ESHUTDOWN};
  uint64_t flags = FI_SEND | FI_RECV | FI_READ | FI_WRITE;
  if (access & kRemoteRead) flags |= FI_REMOTE_READ;
  if (access & kRemoteWrite) flags |= FI_REMOTE_WRITE;
  uint64_t mode = info_->domain_attr->mr_mode;
  uint64_t mask =
      info_->domain_attr->mr_key_size >= 8 ? ~uint64_t{0} : (uint64_t{1} << (info_->domain_attr->mr_key_size * 8)) - 1;
  fid_mr* mr = nullptr;
  int status = -FI_ENOKEY;
  for (int attempt = 0; status == -FI_ENOKEY && attempt < 16; ++attempt) {  // a random key may be taken
    uint64_t key = (mode & FI_MR_PROV_KEY) ? 0 : random_value<uint64_t>() & mask;
    status = fi_mr_reg(domain_.get(), address, length, flags, 0, key, 0, &mr, nullptr);
  }
  if (status != 0) return Error{-status};
  if (mode & FI_MR_ENDPOINT) {
    fi_mr_bind(mr, &endpoint_->fid, 0);
    fi_mr_enable(mr);
  }
  Registration registration;
  registration.handle = mr;
  registration.descriptor = fi_mr_desc(mr);
  registration.key = fi_mr_key(mr);
  registration.base = (mode & FI_MR_VIRT_ADDR) ? 0 : reinterpret_cast<uint64_t>(address);
  return registration;
}

void OfiEndpoint::unregister(Registration& registration) {
  if (registration.handle) fi_close(&static_cast<fid_mr*>(registration.handle)->fid);
  registration.handle = nullptr;
}

OfiEndpoint::Receive* OfiEndpoint::as_receive(void* context) {
  auto* receive = static_cast<Receive*>(context);
  size_t count = std::min(kReceives, info_->rx_attr->size);
  return receive >= receives_.get() && receive < receives_.get() + count ? receive : nullptr;
}

size_t OfiEndpoint::poll(Sink& sink) {
  if (!endpoint_) return 0;
  fi_cq_msg_entry entries[16];
  ssize_t count = fi_cq_read(cq_.get(), entries, 16);
  if (count == -FI_EAGAIN) {
    if (spent_count_ >= kSomeSpent) post_spent();
    return 0;
  }
  if (count < 0) {
    report_error(sink);
    return 1;
  }
  for (ssize_t i = 0; i < count; ++i) {
    void* context = entries[i].op_context;
    if (entries[i].flags & FI_RECV) {
      auto& receive = *static_cast<Receive*>(context);
      sink.received({receive.data, entries[i].len});
      spent_[spent_count_++] = &receive;
      if (spent_count_ == kMostSpent) post_spent();
    } else {
      complete(*static_cast<InFlight*>(context), 0, sink);
    }
  }
  return static_cast<size_t>(count);
}

void OfiEndpoint::report_error(Sink& sink) {
  fi_cq_err_entry entry{};
  if (fi_cq_readerr(cq_.get(), &entry, 0) <= 0) return;
  int error = entry.err < 0 ? -entry.err : entry.err;
  if (error == 0) error = EIO;
  log(LogLevel::debug, "%s: an operation failed: error %d, provider's error %d", traits_.provider.c_str(), error,
      entry.prov_errno);
  if (Receive* receive = as_receive(entry.op_context)) {
    post(*receive);
    return;
  }
  InFlight* operation = oldest_;
  if (anonymous_errors_ && !entry.op_context) {  // the oldest transfer: they complete in order
    while (operation && !operation->transfer) operation = operation->newer;
  } else {  // A provider may name an operation of its own, which is none of ours.
    while (operation && operation != entry.op_context) operation = operation->newer;
  }
  if (operation) complete(*operation, error, sink);
}

void OfiEndpoint::abandon(Sink& sink) {
  endpoint_.reset();
  while (oldest_) complete(*oldest_, ECANCELED, sink);
}

bool OfiEndpoint::may_sleep() {
  if (!endpoint_ || !traits_.has_wait_fd) return true;
  fid* queue = &cq_->fid;
  return fi_trywait(fabric_.get(), &queue, 1) == 0;
}

}  // namespace

namespace {
Result<std::unique_ptr<Endpoint>> open_provider(const OpenOptions& options) {
  auto info = get_info(options.provider, options.node);
  if (!info) return Error{info.error()};
  auto endpoint = std::make_unique<OfiEndpoint>();
  if (auto opened = endpoint->open(std::move(*info), options); !opened) return Error{opened.error()};
  return std::unique_ptr<Endpoint>(std::move(endpoint));
}

Result<std::unique_ptr<Endpoint>> open_shm(OpenOptions options) {
  options.only_transfers = true;
  auto provider = open_provider(options);
  if (!provider) return Error{provider.error()};
  auto endpoint = std::make_unique<ShmEndpoint>(std::move(*provider));
  if (auto opened = endpoint->open(); !opened) return Error{opened.error()};
  return std::unique_ptr<Endpoint>(std::move(endpoint));
}
}  // namespace

Result<std::unique_ptr<Endpoint>> open_endpoint(const OpenOptions& options) {
  auto endpoint = options.provider == "shm" ? open_shm(options) : open_provider(options);
  if (!endpoint) return endpoint;
  const Traits& traits = (*endpoint)->traits();
  log(LogLevel::info, "opened provider %s on %s: frames of %zu bytes, inject %zu, %s", traits.provider.c_str(),
      options.node.empty() ? "this host" : options.node.c_str(), traits.frame_size, traits.inject_size,
      traits.has_wait_fd ? "waitable" : "with doorbells");
  return endpoint;
}

Result<std::string> choose_provider(const std::string& wanted, const std::string& node) {
  bool automatic = wanted == "auto" || wanted == "tcp" || wanted == "shm";
  static const char* const kTcp[] = {"tcp", "net", "tcp;ofi_rxm"};
  if (!automatic) {
    auto info = get_info(wanted, node);
    if (!info) return Error{info.error()};
    return std::string(wanted);
  }
  for (const char* candidate : kTcp) {
    auto info = get_info(candidate, node);
    // "tcp" may come back with a utility provider on top: then it has no RDM endpoints of its own.
    if (info && strcmp((*info)->fabric_attr->prov_name, candidate) == 0) return std::string(candidate);
    if (!info && info.error() == ENOENT) return Error{ENOENT};
  }
  return Error{ENODATA};
}

}  // namespace vb::fabric
