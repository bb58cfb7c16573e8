// SPDX-License-Identifier: BSD-2-Clause
#include "fabric/shm_endpoint.h"

#include <sys/prctl.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

#include "base/log.h"

namespace vb::fabric {

namespace {

/// Polls that find nothing for each that asks the provider all the same: it may have work of its own.
constexpr uint32_t kLooksAnyway = 64;

/// Where both sides copy, neither sleeps before it has looked so often for the other's next step. That is some 50 ms: a
/// peer that is stopped does not keep us awake.
constexpr uint32_t kLooksForNextStep = 10'000;

/// Bytes that are copied with a region locked: a lock that is held for long may be taken for one of the dead.
constexpr size_t kMostUnderLock = size_t{16} << 20;

/// The provider's name for the endpoint, ended by a zero, stands in front of where the inbox is.
std::string provider_name(std::span<const unsigned char> name) {
  auto* characters = reinterpret_cast<const char*>(name.data());
  return {characters, strnlen(characters, name.size())};
}

std::span<const unsigned char> bytes(const std::string& name) {
  return {reinterpret_cast<const unsigned char*>(name.c_str()), name.size() + 1};
}

/// Whether the provider copies through shared memory, because the kernel (a sandbox, Yama) or its own option forbids us
/// to reach into the process. Nothing is read: there is nothing at that address.
bool must_copy(pid_t process) {
  char byte;
  iovec here{&byte, 1}, there{nullptr, 1};
  const bool refused = process_vm_readv(process, &here, 1, &there, 1, 0) < 0 && errno != EFAULT;
  const char* option = getenv("FI_SHM_DISABLE_CMA");
  return refused || (option && strchr("1yYtT", *option) && *option);
}

/// Yama can be set so that who is not an ancestor reaches only into processes that agree. Peers have proved that they
/// are the same user's, but each process has room for one name: so it agrees to all of its user's.
void agree_to_be_reached() {
  char scope = 0;
  std::ifstream("/proc/sys/kernel/yama/ptrace_scope") >> scope;
  if (scope != '1' || prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0) != 0) return;
  log(LogLevel::info, "other processes of this user may reach into this one, whatever Yama's ptrace_scope says");
}

}  // namespace

ShmEndpoint::ShmEndpoint(std::unique_ptr<Endpoint> provider)
    : provider_(std::move(provider)), region_(provider_name(provider_->name())) {
  traits_ = provider_->traits();
  traits_.frame_size = FrameRing::kLargest;
  traits_.inject_size = FrameRing::kLargest;
  traits_.max_transfer = std::min(traits_.max_transfer, kMostUnderLock);
  traits_.has_wait_fd = false;
}

Result<void> ShmEndpoint::open() {
  agree_to_be_reached();
  return inbox_.open();
}

void ShmEndpoint::close() {
  for (Known& peer : peers_) peer.outbox = {};
  provider_->close();
}

std::vector<unsigned char> ShmEndpoint::name() const {
  const std::string own = provider_name(provider_->name());
  const InboxAddress address = inbox_.address();
  auto first = bytes(own);
  std::vector<unsigned char> name(first.begin(), first.end());
  name.resize(first.size() + sizeof address);
  memcpy(name.data() + first.size(), &address, sizeof address);
  return name;
}

Result<Peer> ShmEndpoint::add_peer(std::span<const unsigned char> name) {
  const std::string at_provider = provider_name(name);
  InboxAddress address;
  if (name.size() != at_provider.size() + 1 + sizeof address || at_provider.find('/') != std::string::npos)
    return Error{EINVAL};
  memcpy(&address, name.data() + at_provider.size() + 1, sizeof address);
  if (address.process <= 0) return Error{EINVAL};
  Known known{SharedRegion(at_provider), {}, address.process};
  if (auto opened = known.outbox.open(address); !opened) return Error{opened.error()};
  auto peer = provider_->add_peer(bytes(at_provider));
  if (!peer) return peer;
  if (*peer >= peers_.size()) peers_.resize(*peer + 1);
  peers_[*peer] = std::move(known);
  by_copies_ |= must_copy(address.process);
  return peer;
}

void ShmEndpoint::remove_peer(Peer peer) {
  peers_[peer] = {};
  provider_->remove_peer(peer);
}

void ShmEndpoint::peer_died(Peer peer) {
  region_.rescue();
  inbox_.writer_left(peers_[peer].process);
}

int ShmEndpoint::send(Peer peer, Frame& frame) {
  if (!peers_[peer].outbox.write({frame.data, frame.size})) return EAGAIN;
  frame.next = std::exchange(sent_, &frame);
  return 0;
}

int ShmEndpoint::began(int status) {
  if (status == 0) ++transfers_, notice_work();
  return status;
}

int ShmEndpoint::read(Peer peer, void* local, size_t length, const Registration& into, uint64_t remote, uint64_t key,
                      Transfer& transfer) {
  return may_enter(peer) ? began(provider_->read(peer, local, length, into, remote, key, transfer)) : EAGAIN;
}

int ShmEndpoint::write(Peer peer, const void* local, size_t length, const Registration& from, uint64_t remote,
                       uint64_t key, Transfer& transfer) {
  return may_enter(peer) ? began(provider_->write(peer, local, length, from, remote, key, transfer)) : EAGAIN;
}

Result<Registration> ShmEndpoint::register_memory(void* address, size_t length, unsigned access) {
  return provider_->register_memory(address, length, access);
}

void ShmEndpoint::unregister(Registration& registration) { provider_->unregister(registration); }

void ShmEndpoint::finished(Transfer& transfer, int error) {
  --transfers_;
  notice_work();
  sink_->finished(transfer, error);
}

size_t ShmEndpoint::poll(Sink& sink) {
  while (sent_) {
    Frame& frame = *std::exchange(sent_, sent_->next);
    sink.released(frame, 0);
  }
  const size_t count = inbox_.poll(sink) + poll_provider(sink);
  if (count == 0) __builtin_ia32_pause();  // two hardware threads of one core may be each other's peers
  return count;
}

/// Peers leave word in our region of what they have read and written.
size_t ShmEndpoint::poll_provider(Sink& sink) {
  if (!unread_ && transfers_ == 0 && region_.quiet() && ++idle_polls_ % kLooksAnyway != 0) return 0;
  if (!region_.passable()) return 0;
  if (region_.has_word()) notice_work();
  sink_ = &sink;
  const size_t count = provider_->poll(*this);
  unread_ = count != 0;
  return count;
}

bool ShmEndpoint::may_sleep() { return inbox_.empty() && (!by_copies_ || ++looks_in_vain_ > kLooksForNextStep); }

}  // namespace vb::fabric
