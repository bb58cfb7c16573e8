// SPDX-License-Identifier: BSD-2-Clause
// The peer process: this binary again, started afresh by exec before it makes any verbs call, that owns one End
// and runs its member functions on request over a socket pair.
#pragma once

#include <sys/types.h>

#include "support/end.h"

namespace vt {

// Runs the peer's command loop when the arguments say so; does not return then.
void run_as_peer_if_asked(int argc, char** argv);

class Peer {
 public:
  Peer();   // starts the process
  ~Peer();  // ends it
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  pid_t pid() const { return pid_; }
  void kill_now();  // SIGKILL, and waits until it is gone
  void stop_now();  // SIGSTOP, and waits until it does nothing any more; it can still be killed
  void go_on();     // SIGCONT
  bool alive();
  void drop_end();  // the peer destroys what it has; does nothing when it is gone

  // One request may be under way at a time: send, then receive. A failure in the peer is thrown here.
  void send(const Bytes& message);
  Bytes receive();

 private:
  pid_t pid_ = -1;
  int socket_ = -1;
};

// The other commands are indices into Calls.
constexpr uint32_t kMakeEnd = 0xffff0001, kDropEnd = 0xffff0002;

template <auto... Methods>
struct MethodList {};

using Calls =
    MethodList<&End::address, &End::to_init, &End::to_rtr, &End::to_rts, &End::connect, &End::move, &End::query,
               &End::destroy_qp, &End::srq_number, &End::open_target, &End::post_send, &End::post_recv, &End::wait_send,
               &End::wait_recv, &End::poll_send, &End::poll_recv, &End::wait_event, &End::set_srq_limit, &End::reg,
               &End::reg_iova, &End::reg_in_other_pd, &End::to_datagrams, &End::make_ah, &End::make_ah_in_other_pd,
               &End::make_ah_from, &End::drop_handles, &End::attach, &End::detach, &End::qkey_violations, &End::dereg,
               &End::window_key, &End::reg_file, &End::fill, &End::mismatch, &End::store, &End::load,
               &End::spin_on_byte>;

template <auto Method>
struct Tag {};

template <auto Method, auto... Methods>
constexpr uint32_t call_index(MethodList<Methods...>) {
  uint32_t index = 0;
  bool found = ((std::is_same_v<Tag<Method>, Tag<Methods>> || (++index, false)) || ...);
  return found ? index : UINT32_MAX;
}

template <class T>
struct Signature;
template <class R, class... A>
struct Signature<R (End::*)(A...)> {
  using Result = R;
  using Arguments = std::tuple<A...>;
};

}  // namespace vt
