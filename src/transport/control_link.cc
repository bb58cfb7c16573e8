// SPDX-License-Identifier: BSD-2-Clause
#include "transport/control_link.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "fabric/ofi_endpoint.h"
#include "fabric/process_end.h"
#include "transport/lane.h"
#include "transport/presence.h"
#include "transport/router.h"

namespace vb {

using wire::Control;
using wire::Path;

namespace {

constexpr uint64_t kHandshakeTime = 60 * kSecond;        ///< loading a fabric on a busy machine takes its time
constexpr uint64_t kProbePatience = 500 * kMillisecond;  ///< several times what a living host takes to acknowledge
constexpr int kLastWords = 100;       ///< ms: between the end of a process's memory and that of its connections
constexpr size_t kMaxOutput = 65536;  ///< a peer that takes nothing is given up

void set_option(int fd, int level, int option, int value) { setsockopt(fd, level, option, &value, sizeof value); }

void set_options(int fd) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 5);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 2);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 5);
}

template <size_t N>
void copy_text(char (&to)[N], const std::string& from) {
  memset(to, 0, N);
  memcpy(to, from.data(), std::min(from.size(), N - 1));
}

}  // namespace

ControlLink::ControlLink(Router& router, Fd socket, Route* route)
    : router_(router),
      socket_(std::move(socket)),
      route_(route),
      initiator_(route != nullptr),
      state_(route ? State::kConnecting : State::kHello),
      deadline_ns_(clock_ns() + kHandshakeTime) {
  set_options(socket_.get());
  router_.poller().add(socket_.get(), initiator_ ? EPOLLOUT : EPOLLIN, *this);
  watching_writes_ = initiator_;
}

ControlLink::~ControlLink() {
  router_.poller().remove(socket_.get());
  if (presence_) unmap_presence(presence_);
  if (reached_) rail_->remove_peer(*reached_);
  if (token_reserved_) router_.lane().release_token(token_);
}

void ControlLink::watch(bool writing) {
  if (writing == watching_writes_) return;
  watching_writes_ = writing;
  router_.poller().modify(socket_.get(), EPOLLIN | (writing ? EPOLLOUT : 0u), *this);
}

void ControlLink::ready(uint32_t events) {
  if (state_ == State::kConnecting) connected();
  if (state_ != State::kClosed && (events & EPOLLOUT)) write_out();
  if (state_ != State::kClosed && (events & (EPOLLIN | EPOLLERR | EPOLLHUP))) read_in();
  if (state_ == State::kClosed) router_.discard(*this);
}

void ControlLink::connected() {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error) return close(strerror(error));
  state_ = State::kHello;
  route_->reached = route_->retry_delay_ns == 0;  // who has failed us once gets no more than the retry budget
  watch(false);
  send_hello();
}

void ControlLink::send_hello() {
  own_ = router_.hello();
  copy_text(own_.provider, router_.fabric_provider(socket_.get()));
  random_bytes(own_.nonce);
  if (!initiator_ && !router_.secret().empty()) own_.proof = prove(wire::Place::kAcceptorHello, peer_, own_);
  send(Control::kHello, &own_, sizeof own_);
}

namespace {
template <class T>
std::span<const unsigned char> bytes_of(const T& value) {
  return {reinterpret_cast<const unsigned char*>(&value), sizeof value};
}
}  // namespace

wire::Proof ControlLink::prove(wire::Place place, const wire::Hello& initiator, const wire::Hello& acceptor) const {
  wire::Hello unproven = acceptor;
  unproven.proof = {};
  return wire::prove(router_.secret(), place, {bytes_of(initiator), bytes_of(unproven)});
}

wire::Proof ControlLink::prove(wire::Place place, const wire::Offer& offer) const {
  wire::Offer unproven = offer;
  unproven.secret_proof = {};
  const wire::Hello& initiator = initiator_ ? own_ : peer_;
  const wire::Hello& acceptor = initiator_ ? peer_ : own_;
  return wire::prove(router_.secret(), place, {bytes_of(initiator), bytes_of(acceptor), bytes_of(unproven)});
}

/// Both sides have a secret or none; the acceptor proves its own at once, the initiator with its offer.
bool ControlLink::proven(const wire::Hello& hello) {
  const bool secret = !router_.secret().empty();
  bool good = secret == ((hello.flags & wire::kHasSecret) != 0);
  if (good && secret && initiator_) {
    good = wire::same_proof(hello.proof, prove(wire::Place::kAcceptorHello, own_, hello));
  }
  if (!good) refuse();
  return good;
}

bool ControlLink::proven(const wire::Offer& offer) {
  if (router_.secret().empty()) return true;
  wire::Place place = initiator_ ? wire::Place::kAcceptorOffer : wire::Place::kInitiatorOffer;
  bool good = wire::same_proof(offer.secret_proof, prove(place, offer));
  if (!good) refuse();
  return good;
}

void ControlLink::refuse() {
  router_.refused_peer();
  close("it has not the same secret");
}

void ControlLink::send(Control type, const void* body, size_t size) {
  if (state_ == State::kClosed) return;
  wire::ControlHeader header{wire::kControlMagic, type, static_cast<uint16_t>(size)};
  auto* head = reinterpret_cast<const unsigned char*>(&header);
  auto* tail = static_cast<const unsigned char*>(body);
  out_.insert(out_.end(), head, head + sizeof header);
  out_.insert(out_.end(), tail, tail + size);
  write_out();
}

void ControlLink::write_out() {
  while (!out_.empty()) {
    ssize_t sent = ::send(socket_.get(), out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent <= 0) break;  // A broken connection shows when it is read.
    out_.erase(out_.begin(), out_.begin() + sent);
  }
  if (out_.size() > kMaxOutput) out_.clear();
  watch(!out_.empty());
}

void ControlLink::read_in() {
  for (;;) {
    unsigned char buffer[2048];
    ssize_t got = recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return close(got == 0 ? "closed by the peer" : strerror(errno));
    in_.insert(in_.end(), buffer, buffer + got);
    if (!parse()) return;
  }
}

bool ControlLink::parse() {
  wire::ControlHeader header;
  for (;;) {
    switch (wire::parse_control(in_, header)) {
      case wire::Parse::kMore: return true;
      case wire::Parse::kMalformed:
        ++router_.rejected;
        close("malformed message");
        return false;
      case wire::Parse::kMessage: break;
    }
    std::vector<unsigned char> body(in_.begin() + sizeof header, in_.begin() + sizeof header + header.size);
    in_.erase(in_.begin(), in_.begin() + sizeof header + header.size);
    if (!handle(header.type, body.data())) return false;
  }
}

/// False: the connection is closed.
bool ControlLink::handle(Control type, const unsigned char* body) {
  wire::Hello hello;
  wire::Offer offer;
  wire::Count count;
  switch (type) {
    case Control::kHello:
      memcpy(&hello, body, sizeof hello);
      if (state_ == State::kHello) return handle_hello(hello);
      break;
    case Control::kOffer:
      memcpy(&offer, body, sizeof offer);
      if (state_ == State::kOffer) return handle_offer(offer);
      break;
    case Control::kReject:
      if (state_ == State::kOffer && initiator_ && offered_ == Path::kSharedMemory) return send_offer(Path::kFabric);
      break;
    case Control::kBye:
      goodbye_ = true;
      close("the peer has ended");
      return false;
    case Control::kReady:
      if (state_ != State::kUp || initiator_ || !channel_) break;
      channel_->confirmed = true;
      channel_->begin_connection();
      return true;
    case Control::kDoorbell:
      if (state_ == State::kUp) return true;  // That it woke us is all it was for.
      break;
    case Control::kProbe:
    case Control::kCount:
      memcpy(&count, body, sizeof count);
      if (state_ == State::kUp) return handle_count(type, count);
      break;
  }
  ++router_.rejected;
  close("message out of turn");
  return false;
}

bool ControlLink::handle_hello(const wire::Hello& hello) {
  if (hello.version != wire::kVersion || !(hello.flags & wire::kLittleEndian)) {
    log(LogLevel::warn, "a peer speaks version %u of the protocol, we speak %u: refused", hello.version,
        wire::kVersion);
    close("another version");
    return false;
  }
  if (!proven(hello)) return false;
  ProcessId process;
  std::copy(std::begin(hello.process), std::end(hello.process), process.begin());
  if (process == ProcessId{}) {  // That is what this process calls itself on its loopback.
    ++router_.rejected;
    close("a process without a name");
    return false;
  }
  peer_ = hello;
  state_ = State::kOffer;
  if (!initiator_) {
    send_hello();
    return true;
  }
  if (Channel* known = router_.lane().channel_of(process, path())) {
    router_.found(*route_, *known);
    route_ = nullptr;
    goodbye_ = true;
    close("the process is known already");
    return false;
  }
  const bool apart = std::exchange(route_->apart, false);
  return send_offer(same_host() && !apart ? Path::kSharedMemory : Path::kFabric);
}

/// Over the fabric both ends of a queue pair must be on one such path: the keys of memory are those of one endpoint.
std::string ControlLink::path() const { return Router::path_of(socket_.get()); }

bool ControlLink::same_host() const {
  wire::Hello self = router_.hello();
  return (self.flags & peer_.flags & wire::kSharesMemory) && self.user == peer_.user &&
         self.pid_namespace == peer_.pid_namespace && self.shm_device == peer_.shm_device &&
         memcmp(self.boot, peer_.boot, sizeof self.boot) == 0;
}

/// Offers `path`, or the next best that can be had.
bool ControlLink::send_offer(Path path) {
  if (path == Path::kSharedMemory) {
    if (!presence_) presence_ = map_presence(peer_.pid, peer_.presence_fd, peer_.presence_secret);
    rail_ = presence_ ? router_.shared_memory_rail() : nullptr;
    if (!rail_) path = Path::kFabric;
  }
  if (path == Path::kFabric) rail_ = router_.fabric_rail(socket_.get(), wire::text(peer_.provider));
  if (!rail_) {
    close("no fabric that both sides have");
    return false;
  }
  if (!token_reserved_) token_ = router_.lane().reserve_token();
  token_reserved_ = true;
  offered_ = path;
  wire::Offer offer{};
  offer.path = path;
  offer.token = token_;
  offer.proof = path == Path::kSharedMemory ? presence_->proof : 0;
  copy_text(offer.provider, rail_->endpoint->traits().provider);
  std::vector<unsigned char> name = rail_->endpoint->name();
  offer.name_size = static_cast<uint32_t>(std::min(name.size(), sizeof offer.name));
  memcpy(offer.name, name.data(), offer.name_size);
  if (!router_.secret().empty()) {
    offer.secret_proof = prove(initiator_ ? wire::Place::kInitiatorOffer : wire::Place::kAcceptorOffer, offer);
  }
  send(Control::kOffer, &offer, sizeof offer);
  return true;
}

/// Nobody can make us send to a third host: an endpoint whose name is a socket's address stands where its owner does.
bool ControlLink::names_another_host(const wire::Offer& offer) const {
  SocketAddress named;
  bool internet = offer.name_size == sizeof(sockaddr_in) || offer.name_size == sizeof(sockaddr_in6);
  if (offer.path != Path::kFabric || !internet) return false;
  memcpy(&named.storage, offer.name, offer.name_size);
  named.length = static_cast<socklen_t>(offer.name_size);
  sa_family_t family = offer.name_size == sizeof(sockaddr_in) ? AF_INET : AF_INET6;
  if (named.storage.ss_family != family) return true;
  return !Router::is_other_end(named, socket_.get());
}

bool ControlLink::handle_offer(const wire::Offer& offer) {
  if (offer.name_size > sizeof offer.name || names_another_host(offer)) {
    ++router_.rejected;
    close("malformed offer");
    return false;
  }
  if (!proven(offer)) return false;
  return initiator_ ? establish(offer) : accept_offer(offer);
}

/// nullptr: the peer is reached by shared memory.
const char* ControlLink::obstacle_to_sharing(const wire::Offer& offer) {
  if (!same_host() || offer.proof != router_.presence_proof()) return "another host, user or namespace";
  if (!presence_) presence_ = map_presence(peer_.pid, peer_.presence_fd, peer_.presence_secret);
  rail_ = presence_ ? router_.shared_memory_rail() : nullptr;
  if (!rail_) return "it cannot be mapped";
  auto address = rail_->add_peer({offer.name, offer.name_size});
  if (!address) return strerror(address.error());
  reached_ = *address;
  return nullptr;
}

bool ControlLink::accept_offer(const wire::Offer& offer) {
  const char* obstacle = offer.path == Path::kSharedMemory ? obstacle_to_sharing(offer) : nullptr;
  if (!obstacle) return send_offer(offer.path) && establish(offer);
  log(LogLevel::info, "shared memory with process %d is not possible: %s", peer_.pid, obstacle);
  send(Control::kReject, nullptr, 0);
  return true;
}

/// Of two processes always the same one begins, whoever has called: each may be calling the other.
bool ControlLink::begins_connections() const {
  const wire::Hello own = router_.hello();
  return std::lexicographical_compare(std::begin(own.process), std::end(own.process), std::begin(peer_.process),
                                      std::end(peer_.process));
}

bool ControlLink::establish(const wire::Offer& offer) {
  if (offer.path != offered_ || wire::text(offer.provider) != rail_->endpoint->traits().provider) {
    close("the peer offers another fabric");
    return false;
  }
  auto address = reached_ ? *reached_ : rail_->add_peer({offer.name, offer.name_size});
  if (!address) {
    if (route_) route_->apart = offered_ == Path::kSharedMemory;
    log(route_ && route_->apart ? LogLevel::info : LogLevel::error, "%s does not take the peer's address: error %d",
        rail_->endpoint->traits().provider.c_str(), address.error());
    close("unusable address");
    return false;
  }
  Channel::Peer peer;
  std::copy(std::begin(peer_.process), std::end(peer_.process), peer.process.begin());
  peer.address = *address;
  reached_.reset();
  peer.token = offer.token;
  peer.link = this;
  peer.path = path();
  if (offered_ == Path::kSharedMemory) {
    peer.presence = std::exchange(presence_, nullptr);
    peer.path.clear();
    endpoint_file_ = std::string(wire::text(reinterpret_cast<const char(&)[sizeof offer.name]>(offer.name)));
  }
  state_ = State::kUp;
  token_reserved_ = false;
  channel_ = &router_.lane().add_channel(*rail_, peer, token_);
  channel_->confirmed = initiator_;
  if (initiator_ && offered_ == Path::kFabric && !begins_connections() && !router_.lane().has_heard(*channel_)) {
    channel_->hold();
    send(Control::kReady, nullptr, 0);
  }
  log(LogLevel::info, "channel to process %d over %s", peer_.pid, rail_->endpoint->traits().provider.c_str());
  if (route_) router_.found(*std::exchange(route_, nullptr), *channel_);
  return true;
}

void ControlLink::close(const char* reason) {
  if (state_ == State::kClosed) return;
  log(state_ == State::kUp && !goodbye_ ? LogLevel::info : LogLevel::debug, "control connection to process %d: %s",
      peer_.pid, reason);
  state_ = State::kClosed;
  if (channel_) {
    if (!goodbye_) channel_->endpoint().peer_died(channel_->peer());
    router_.lane().drain();  // What the peer sent before it ended still counts.
    if (!goodbye_) unlink_endpoint_file();
    if (channel_) std::exchange(channel_, nullptr)->die(!goodbye_);
  }
  if (route_) router_.not_found(*std::exchange(route_, nullptr));
}

/// A transfer failed: most likely the peer is being killed. Its memory goes before its connections do, and only their
/// end tells a crash, so it is waited for.
void ControlLink::catch_up() {
  read_in();
  if (state_ != State::kUp) return;
  pollfd hang_up{socket_.get(), POLLRDHUP, 0};
  if (poll(&hang_up, 1, kLastWords) > 0) read_in();
}

/// A process that was killed could not remove what its shared memory endpoint leaves behind. One that lives needs it
/// still, for its other peers and for those to come: then the channel has ended for another reason.
void ControlLink::unlink_endpoint_file() {
  if (!endpoint_file_.starts_with(fabric::kSharedMemoryPrefix) || endpoint_file_.find('/') != std::string::npos) return;
  std::string path = "/dev/shm/" + endpoint_file_;
  struct stat info;
  Fd file(open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!file || fstat(file.get(), &info) != 0 || info.st_uid != geteuid()) return;
  if (!fabric::maps(peer_.pid, file.get())) ::unlink(path.c_str());
}

/// The peer sees the connection end; the hang-up that we see ourselves discards the link.
void ControlLink::channel_gone() {
  channel_ = nullptr;
  if (state_ == State::kUp) shutdown(socket_.get(), SHUT_RDWR);
  state_ = State::kClosed;
}

void ControlLink::expire() {
  deadline_ns_ = 0;
  shutdown(socket_.get(), SHUT_RDWR);
}

void ControlLink::say_goodbye() {
  if (state_ != State::kUp) return;
  send(Control::kBye, nullptr, 0);
  goodbye_ = true;
}

bool ControlLink::sent_is_taken() const {
  int bytes = 0;
  return ioctl(socket_.get(), SIOCOUTQ, &bytes) != 0 || bytes == 0;
}

void ControlLink::probe() {
  if (!sent_is_taken()) {
    if (probed_at_ns_ == 0) probed_at_ns_ = clock_ns();
    return;
  }
  send_count(Control::kProbe);
  probed_at_ns_ = clock_ns();
}

void ControlLink::send_count(Control type) {
  wire::Count count{channel_->frames_sent()};
  send(type, &count, sizeof count);
}

bool ControlLink::handle_count(Control type, const wire::Count& count) {
  channel_->expect(count.frames, clock_ns());
  if (type == Control::kProbe) send_count(Control::kCount);
  return true;
}

bool ControlLink::unacknowledged() {
  if (!sent_is_taken()) return probed_at_ns_ != 0 && clock_ns() - probed_at_ns_ > kProbePatience;
  probed_at_ns_ = 0;
  return false;
}

}  // namespace vb
