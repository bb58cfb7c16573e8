// SPDX-License-Identifier: BSD-2-Clause
#include "transport/router.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstring>

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/random.h"
#include "fabric/inbox.h"
#include "fabric/ofi_endpoint.h"
#include "transport/address_handle.h"

namespace vb {

namespace {

constexpr uint32_t kNoDevice = UINT32_MAX;
constexpr uint32_t kMaxHandshakes = 256;
constexpr int kAcceptsAtOnce = 64;
constexpr uint64_t kFirstRetry = 10 * kMillisecond;
constexpr uint64_t kLastRetry = kSecond;
/// What a shared memory endpoint may need of /dev/shm; writing to a full one is a SIGBUS.
constexpr uint64_t kSharedMemoryNeeded = 24u << 20;

std::string address_text(const SocketAddress& address, bool with_port) {
  char host[NI_MAXHOST] = "", port[NI_MAXSERV] = "";
  getnameinfo(address.get(), address.length, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
  return with_port ? std::string(host) + ' ' + port : std::string(host);
}

SocketAddress local_address(int socket) {
  SocketAddress address;
  address.length = sizeof address.storage;
  getsockname(socket, address.get(), &address.length);
  return address;
}

SocketAddress remote_address(int socket) {
  SocketAddress address;
  address.length = sizeof address.storage;
  getpeername(socket, address.get(), &address.length);
  return address;
}

uint64_t inode_of(const char* path) {
  struct stat info;
  return stat(path, &info) == 0 ? info.st_ino : 0;
}

uint64_t device_of(const char* path) {
  struct stat info;
  return stat(path, &info) == 0 ? info.st_dev : 0;
}

void read_boot_id(unsigned char (&out)[16]) {
  char text[64] = "";
  Fd file(open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  if (!file || read(file.get(), text, sizeof text - 1) <= 0) return;
  size_t at = 0;
  for (const char* p = text; *p && at < 32; ++p) {
    unsigned digit;
    if (sscanf(std::string(1, *p).c_str(), "%1x", &digit) != 1) continue;
    out[at / 2] = static_cast<unsigned char>(out[at / 2] << 4 | digit);
    ++at;
  }
}

/// verbatim-<pid namespace>-<pid>-<random>: tells whose it is, and whether that process still lives.
std::string endpoint_name(uint64_t pid_namespace) {
  char name[96];
  snprintf(name, sizeof name, "%s%llx-%d-%016llx", fabric::kSharedMemoryPrefix,
           static_cast<unsigned long long>(pid_namespace), getpid(),
           static_cast<unsigned long long>(random_value<uint64_t>()));
  return name;
}

/// Removes what processes of ours that are dead have left in /dev/shm.
void scavenge(uint64_t pid_namespace) {
  DIR* directory = opendir("/dev/shm");
  if (!directory) return;
  while (dirent* entry = readdir(directory)) {
    unsigned long long space, random;
    int pid;
    std::string format(fabric::kSharedMemoryPrefix);
    format += "%llx-%d-%llx";
    if (sscanf(entry->d_name, format.c_str(), &space, &pid, &random) != 3 || space != pid_namespace) continue;
    struct stat info;
    if (fstatat(dirfd(directory), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 || info.st_uid != geteuid()) continue;
    if (kill(pid, 0) != 0 && errno == ESRCH) unlinkat(dirfd(directory), entry->d_name, 0);
  }
  closedir(directory);
}

/// Why processes of this host cannot share memory with us; nullptr: they can.
const char* obstacle_to_sharing(uint64_t pid_namespace, const Presence& presence) {
  struct statvfs info;
  rlimit files;
  if (!pid_namespace) return "/proc is not there";
  if (presence.fd() < 0) return "files without a name cannot be made";
  if (getrlimit(RLIMIT_FSIZE, &files) == 0 && files.rlim_cur < fabric::InboxMapping::kSize)
    return "files may not be large enough (ulimit -f)";
  if (statvfs("/dev/shm", &info) != 0) return "/dev/shm is not there";
  if (uint64_t{info.f_bavail} * info.f_bsize < kSharedMemoryNeeded) return "/dev/shm has not enough room";
  return nullptr;
}

/// What a provider of shared memory copies large messages by. Sandboxes forbid it.
bool may_read_processes() {
  char from = 0, to = 0;
  iovec source{&from, 1}, target{&to, 1};
  return process_vm_readv(getpid(), &target, 1, &source, 1, 0) == 1;
}

bool is_local_only(const std::string& provider) { return provider == "shm"; }
bool allows_shared_memory(const std::string& provider) { return provider == "auto" || provider == "shm"; }

}  // namespace

Result<void> Router::open() {
  if (auto opened = poller_.open(); !opened) return opened;
  auto secret = wire::read_secret(config().secret);
  if (!secret) return Error{secret.error()};
  secret_ = *secret;
  hello_.version = wire::kVersion;
  hello_.flags = wire::kLittleEndian | (secret_.empty() ? 0 : wire::kHasSecret);
  hello_.user = geteuid();
  hello_.pid = getpid();
  hello_.pid_namespace = inode_of("/proc/self/ns/pid");
  hello_.shm_device = device_of("/dev/shm");
  read_boot_id(hello_.boot);
  random_bytes(hello_.process);
  multicast_.set_process(std::to_array(hello_.process));
  auto opened = presence_.open();
  const char* obstacle = obstacle_to_sharing(hello_.pid_namespace, presence_);
  const bool wanted = allows_shared_memory(config().provider);
  if (wanted && obstacle) log(LogLevel::warn, "no shared memory: %s; local peers use the fabric", obstacle);
  if (opened && wanted && !obstacle) {
    hello_.flags |= wire::kSharesMemory;
    hello_.presence_fd = presence_.fd();
    hello_.presence_secret = presence_.page().secret;
  }
  return opened;
}

wire::Hello Router::hello() const { return hello_; }

void Router::refused_peer() {
  ++rejected;
  static std::atomic<bool> told{false};
  log_once(told, LogLevel::warn,
           "a peer is refused, because only one side has a secret, or they differ (option secret)");
}

// --- slots -------------------------------------------------------------------------------------------------------

bool Router::listen(Slot& slot, const std::vector<SocketAddress>& addresses) {
  for (const SocketAddress& address : addresses) {
    SocketAddress bound = with_port(address, static_cast<uint16_t>(config().port_base + slot.number));
    Fd socket(::socket(bound.get()->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    int on = 1;
    setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bound.get()->sa_family == AF_INET6) setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(socket.get(), bound.get(), bound.length) != 0) {
      if (errno == EADDRINUSE) return false;
      continue;  // an address that has gone, or is not usable yet
    }
    if (::listen(socket.get(), 128) != 0) return false;
    slot.keys.push_back(address_text(bound, true));
    slot.listeners.push_back(std::make_unique<Listener>(*this, std::move(socket)));
  }
  return !slot.listeners.empty();
}

Result<Router::Slot*> Router::lock_slot(uint32_t device, const std::vector<SocketAddress>& addresses) {
  if (addresses.empty()) return Error{ENODEV};
  uint32_t first = random_value<uint32_t>() % kSlotCount;
  for (uint32_t i = 0; i < kSlotCount; ++i) {
    uint32_t number = (first + i) % kSlotCount;
    bool ours = std::any_of(slots_.begin(), slots_.end(), [&](auto& each) { return each->number == number; });
    if (ours || config().port_base + number > 65535) continue;
    auto slot = std::make_unique<Slot>();
    slot->number = number;
    slot->device = device;
    if (!listen(*slot, addresses)) continue;
    slot->taken.resize(kSlotSize);
    // No queue pair has these: QPN 0 and 1 are for management, the last one is any group's.
    if (number == 0) slot->taken[0] = slot->taken[1] = true;
    if (number == kSlotCount - 1) slot->taken[kSlotSize - 1] = true;
    for (auto& listener : slot->listeners) poller_.add(listener->socket.get(), EPOLLIN, *listener);
    lane_.open_slot(number);
    slots_.push_back(std::move(slot));
    ++generation_;
    return slots_.back().get();
  }
  return Error{EADDRINUSE};
}

Result<uint32_t> Router::allocate_qpn(uint32_t device, const std::vector<SocketAddress>& addresses) {
  Slot* slot = nullptr;
  for (auto& each : slots_) {
    if (each->device == device && each->used < kSlotSize - 2) slot = each.get();
  }
  if (!slot) {
    auto locked = lock_slot(device, addresses);
    if (!locked) return Error{locked.error()};
    slot = *locked;
  }
  while (slot->taken[slot->cursor % kSlotSize]) ++slot->cursor;
  uint32_t index = slot->cursor++ % kSlotSize;
  slot->taken[index] = true;
  ++slot->used;
  return slot->number << kSlotBits | index;
}

void Router::free_qpn(uint32_t qpn) {
  for (auto& slot : slots_) {
    if (slot->number != qpn >> kSlotBits) continue;
    slot->taken[qpn % kSlotSize] = false;
    --slot->used;
    if (slot->device == kNoDevice) return close_slots();
  }
}

/// Of interfaces that are gone, once they are empty.
void Router::close_slots() {
  std::erase_if(slots_, [&](std::unique_ptr<Slot>& slot) {
    if (slot->device != kNoDevice || slot->used != 0) return false;
    for (auto& listener : slot->listeners) {
      poller_.remove(listener->socket.get());
      std::erase_if(resting_, [&](const auto& each) { return each.first == listener.get(); });
      poller_.retire(std::move(listener));
    }
    lane_.close_slot(slot->number);
    ++generation_;
    return true;
  });
}

void Router::device_gone(uint32_t device) {
  std::vector<uint32_t> slots;
  std::vector<Rail*> left;
  for (auto& slot : slots_) {
    if (slot->device != device) continue;
    slot->device = kNoDevice;
    slots.push_back(slot->number);
    forget_rails(*slot, left);
  }
  lane_.device_gone(slots);
  for (Rail* rail : left) lane_.leave(*rail);
  close_slots();
}

/// An interface that comes again with the same address gets endpoints of its own: what the old ones have sent into the
/// void they send again, and so do those of peers.
void Router::forget_rails(const Slot& slot, std::vector<Rail*>& left) {
  for (const std::string& key : slot.keys) {
    const std::string node = ' ' + key.substr(0, key.find(' '));
    std::erase_if(rails_, [&](const auto& rail) {
      if (!rail.first.ends_with(node)) return false;
      if (rail.second) left.push_back(rail.second);
      return true;
    });
  }
}

bool Router::own(const SocketAddress& address) {
  std::string key = address_text(address, true);
  return std::any_of(slots_.begin(), slots_.end(),
                     [&](auto& slot) { return std::count(slot->keys.begin(), slot->keys.end(), key); });
}

// --- routes ------------------------------------------------------------------------------------------------------

/// nullptr: there is no such port.
Route* Router::find_route(const SocketAddress& source, const SocketAddress& destination, uint32_t slot) {
  uint32_t port = config().port_base + slot;
  if (port > 65535) return nullptr;
  SocketAddress peer = with_port(destination, static_cast<uint16_t>(port));
  if (own(peer)) return &loopback_;
  auto& route = routes_[address_text(source, false) + ' ' + address_text(peer, true)];
  if (!route) route = std::make_unique<Route>(peer, with_port(source, 0));
  return route.get();
}

Result<void> Router::connect(ConnectedQueuePair& qp, const SocketAddress& source, const SocketAddress& destination,
                             uint32_t qpn) {
  Route* route = find_route(source, destination, qpn >> kSlotBits);
  if (route) return connect(qp, *route);
  qp.detach();
  return Error{EHOSTUNREACH};
}

Result<void> Router::connect(ConnectedQueuePair& qp, Route& route) {
  qp.detach();
  qp.route = &route;
  if (route.channel && route.channel->alive()) {
    qp.bind(route.channel);
    return {};
  }
  route.waiting.push_back(qp);
  return route.connecting ? Result<void>() : start(route);
}

Route* Router::route_to(AddressHandle& address, uint32_t qpn) {
  uint32_t slot = qpn >> kSlotBits;
  auto& cache = address.cache;
  if (cache.slot != slot || cache.generation != generation_) {  // a slot may have become our own
    cache = {slot, generation_, find_route(address.source, address.destination, slot)};
  }
  return cache.route;
}

bool Router::seek(Route& route) {
  if (route.connecting) return true;
  if (route.retry_at_ns > clock_ns()) return false;
  if (!start(route)) not_found(route);
  return route.connecting;
}

Result<void> Router::start(Route& route) {
  Fd socket(::socket(route.peer.get()->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return Error{errno};
  if (bind(socket.get(), route.source.get(), route.source.length) != 0) return Error{errno};
  if (::connect(socket.get(), route.peer.get(), route.peer.length) != 0 && errno != EINPROGRESS) {
    int error = errno;
    if (error == ENETUNREACH || error == EHOSTUNREACH || error == EADDRNOTAVAIL) return Error{error};
    not_found(route);
    return {};
  }
  route.connecting = true;
  links_.push_back(*new ControlLink(*this, std::move(socket), &route));
  return {};
}

namespace {
/// The route is found, or it is not: either way whoever waits goes on.
void resume_datagrams(Route& route) {
  route.slow = false;
  List<QueuePair, OnStalled> waiting;
  route.waiting_datagrams.move_to(waiting);
  while (!waiting.empty()) waiting.pop_front().room_again();
}
}  // namespace

void Router::found(Route& route, Channel& channel) {
  route.connecting = false;
  route.retry_delay_ns = 0;
  route.channel = &channel;
  channel.add_route(route);
  List<ConnectedQueuePair, OnRoute> waiting;
  route.waiting.move_to(waiting);
  while (!waiting.empty()) waiting.pop_front().bind(&channel);
  resume_datagrams(route);
}

/// Nobody listens there (yet): queue pairs wait, until what is posted to them runs out of retries.
void Router::not_found(Route& route) {
  route.connecting = route.reached = false;
  route.retry_delay_ns = std::clamp(route.retry_delay_ns * 2, kFirstRetry, kLastRetry);
  route.retry_at_ns = clock_ns() + route.retry_delay_ns;
  retrying_ = true;
  resume_datagrams(route);
}

void Router::tick(uint64_t now_ns) {
  stand_ins_.tick();
  lane_.free_left_rails([&](const Rail& rail) {
    bool in_use = false;
    links_.for_each([&](ControlLink& link) { in_use |= link.on(rail); });
    return in_use;
  });
  links_.for_each([&](ControlLink& link) {
    if (!link.late(now_ns)) return;
    link.give_up();
    discard(link);
  });
  for (auto& [listener, listening] : std::exchange(resting_, {})) poller_.modify(listening, EPOLLIN, *listener);
  if (!retrying_) return;
  retrying_ = false;
  for (auto& [key, route] : routes_) {
    if (route->connecting || route->waiting.empty() || route->retry_at_ns == 0) continue;
    if (route->retry_at_ns > now_ns) {
      retrying_ = true;
      continue;
    }
    route->retry_at_ns = 0;
    if (!start(*route)) not_found(*route);
  }
}

// --- connections -------------------------------------------------------------------------------------------------

namespace {
bool out_of_descriptors(int error) { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }
}  // namespace

/// Who calls stays in the listener's backlog, and the helper does not spin on it meanwhile.
void Router::rest(Pollable& listener, int listening) {
  static std::atomic<bool> told{false};
  log_once(told, LogLevel::warn, "peers cannot connect now: the process has no file descriptor left");
  poller_.modify(listening, 0, listener);
  resting_.emplace_back(&listener, listening);
}

Fd Router::accept(Pollable& listener, int listening) {
  Fd socket(accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!socket && out_of_descriptors(errno)) rest(listener, listening);
  return socket;
}

void Router::accept_links(Listener& listener) {
  for (int accepted = 0; accepted < kAcceptsAtOnce; ++accepted) {
    Fd socket = accept(listener, listener.socket.get());
    if (!socket) return;
    // Strangers that say nothing must not keep others out: the oldest of them goes.
    uint32_t handshakes = 0;
    ControlLink* oldest = nullptr;
    links_.for_each([&](ControlLink& link) {
      if (link.established() || link.initiated() || link.expired()) return;
      if (!oldest) oldest = &link;
      ++handshakes;
    });
    if (handshakes >= kMaxHandshakes) oldest->expire();
    links_.push_back(*new ControlLink(*this, std::move(socket), nullptr));
  }
}

void Router::discard(ControlLink& link) { delete &link; }

std::string Router::fabric_provider(int socket) {
  const std::string& wanted = config().provider;
  if (is_local_only(wanted)) return {};
  std::string node = address_text(local_address(socket), false);
  auto known = providers_.find(node);
  if (known != providers_.end()) return known->second;
  auto chosen = fabric::choose_provider(wanted, node);
  if (!chosen) {
    log(LogLevel::error, "libfabric has no provider \"%s\" with RDM endpoints on %s: error %d", wanted.c_str(),
        node.c_str(), chosen.error());
  }
  return providers_[node] = chosen ? *chosen : std::string();
}

bool Router::is_other_end(const SocketAddress& address, int socket) {
  return address_text(address, false) == address_text(remote_address(socket), false);
}

std::string Router::path_of(int socket) {
  return address_text(local_address(socket), false) + ' ' + address_text(remote_address(socket), false);
}

Rail* Router::shared_memory_rail() {
  auto [rail, fresh] = rails_.try_emplace("shm", nullptr);
  if (!fresh) return rail->second;
  scavenge(hello_.pid_namespace);
  auto endpoint = fabric::open_endpoint({"shm", "", endpoint_name(hello_.pid_namespace)});
  if (!endpoint) {
    log(LogLevel::warn, "shared memory is not usable (error %d): local peers use the fabric", endpoint.error());
    return nullptr;
  }
  if (!may_read_processes()) {
    log(LogLevel::warn, "process_vm_readv is forbidden (error %d): large messages are copied twice", errno);
  }
  return rail->second = &lane_.add_rail(std::move(*endpoint));
}

Rail* Router::fabric_rail(int socket, std::string_view provider) {
  std::string own_provider = fabric_provider(socket);
  if (own_provider.empty() || own_provider != provider) {
    log(LogLevel::warn, "no common fabric: the peer has \"%.*s\", we have \"%s\"", static_cast<int>(provider.size()),
        provider.data(), own_provider.c_str());
    return nullptr;
  }
  std::string node = address_text(local_address(socket), false);
  auto [rail, fresh] = rails_.try_emplace(own_provider + ' ' + node, nullptr);
  if (!fresh) return rail->second;
  auto endpoint = fabric::open_endpoint({own_provider, node, ""});
  if (!endpoint) {
    log(LogLevel::error, "%s cannot be opened on %s: error %d", own_provider.c_str(), node.c_str(), endpoint.error());
    rails_.erase(rail);  // the address may have gone, and may come again
    return nullptr;
  }
  if ((*endpoint)->wait_fd() >= 0) poller_.add_fabric((*endpoint)->wait_fd());
  return rail->second = &lane_.add_rail(std::move(*endpoint));
}

void Router::close() {
  links_.for_each([&](ControlLink& link) {
    if (link.suspected())
      link.catch_up();  // what a killed process left behind is removed by its peers, at the latest now
    link.say_goodbye();
  });
  resting_.clear();
  for (auto& slot : slots_) slot->listeners.clear();
}

bool Router::parting() {
  bool any = false;
  links_.for_each([&](ControlLink& link) { any |= link.established(); });
  return any;
}

}  // namespace vb
