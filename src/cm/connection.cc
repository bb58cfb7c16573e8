// SPDX-License-Identifier: BSD-2-Clause
// The life of a connection.
#include <cstring>

#include "base/clock.h"
#include "cm/address.h"
#include "cm/manager.h"
#include "cm/timing.h"

namespace vb::cm {

namespace {

template <size_t kCapacity>
PrivateData data_of(const wire::CmPrivate<kCapacity>& data) {
  return {data.bytes, kCapacity};
}

/// What the specification lets a program of this port space send with a request.
size_t request_room(Space space) { return space == Space::kIb ? kRequestPrivate : kRequestPrivate - kIpHeader; }

}  // namespace

// --- the owner's side --------------------------------------------------------------------------------------------

Result<void> Identifier::connect(const Parameters& mine, PrivateData data) {
  if (Manager::current() != &manager_) return Error{EBADF};
  Hold hold(manager_);
  if (state_ != State::kIdle || data.size() > request_room(space_)) return Error{EINVAL};
  if (auto ready = speak(); !ready) return ready;
  mine_ = mine;
  wire::CmMessage request = message(wire::Cm::kRequest);
  wire::CmRequest& body = request.request;
  body.space = static_cast<uint16_t>(space_);
  body.service_port = port_of(remote_);
  body.source_port = port_of(local_);
  body.qp_type = mine.qp_type;
  body.traffic_class = mine.traffic_class;
  body.qpn = mine.qpn;
  body.psn = mine.psn;
  body.responder_resources = mine.responder_resources;
  body.initiator_depth = mine.initiator_depth;
  body.flow_control = mine.flow_control;
  body.retry_count = mine.retry_count;
  body.rnr_retry_count = mine.rnr_retry_count;
  body.srq = mine.srq;
  body.ack_timeout = mine.ack_timeout;
  body.ece = {mine.ece.vendor_id, mine.ece.options};
  if (!put_private(body.data, data)) return Error{EINVAL};
  enter(State::kRequestSent);
  transmit_until_answered(request);
  return {};
}

Result<void> Identifier::accept(const Parameters& mine, PrivateData data) {
  if (Manager::current() != &manager_) return Error{EBADF};
  Hold hold(manager_);
  wire::CmMessage reply = message(wire::Cm::kReply);
  if (state_ != State::kRequestReceived || !put_private(reply.reply.data, data)) return Error{EINVAL};
  mine_ = mine;
  wire::CmReply& body = reply.reply;
  body.qpn = mine.qpn;
  body.psn = mine.psn;
  body.responder_resources = mine.responder_resources;
  body.initiator_depth = mine.initiator_depth;
  body.flow_control = mine.flow_control;
  body.rnr_retry_count = mine.rnr_retry_count;
  body.srq = mine.srq;
  body.ece = {mine.ece.vendor_id, mine.ece.options};
  manager_.index_qpn(*this, true);
  has_events_ = true;
  enter(State::kReplySent);
  transmit_until_answered(reply);
  return {};
}

Result<void> Identifier::reject(Reason reason, PrivateData data) {
  if (Manager::current() != &manager_) return Error{EBADF};
  Hold hold(manager_);
  wire::CmMessage refusal = message(wire::Cm::kReject);
  if (!put_private(refusal.reject.data, data)) return Error{EINVAL};
  if (state_ != State::kRequestReceived && state_ != State::kReplyReceived && state_ != State::kReplySent) {
    return Error{EINVAL};
  }
  refusal.reject.reason = reason;
  transmit(refusal);
  last_ = refusal;  // for a request that comes again
  enter(State::kClosed);
  finish();
  return {};
}

Result<void> Identifier::establish() {
  if (Manager::current() != &manager_) return Error{EBADF};
  Hold hold(manager_);
  if (state_ == State::kReplyReceived) {
    enter(State::kEstablished);
    answer(wire::Cm::kReady);
    return {};
  }
  if (state_ != State::kReplySent) return Error{EINVAL};
  on_ready();  // the program has seen data before kReady came
  return {};
}

Result<void> Identifier::disconnect() {
  if (Manager::current() != &manager_) return Error{EBADF};
  Hold hold(manager_);
  switch (state_) {
    case State::kEstablished:
      enter(State::kDisconnectSent);
      transmit_until_answered(message(wire::Cm::kDisconnect));
      return {};
    case State::kDisconnectReceived: leave(); return {};
    case State::kIdle:
    case State::kResolving:
    case State::kListening: return Error{EINVAL};
    default: return {};
  }
}

/// The owner is gone: the peer learns it.
void Identifier::let_go() {
  auto keep = shared_from_this();
  wire::CmMessage refusal = message(wire::Cm::kReject);
  refusal.reject.reason = state_ == State::kRequestSent ? kRejectTimeout : kRejectByConsumer;
  switch (state_) {
    case State::kEstablished:
      enter(State::kDisconnectSent);
      return transmit_until_answered(message(wire::Cm::kDisconnect));
    case State::kDisconnectSent: return transmit(last_);
    case State::kRequestSent:
    case State::kReplyReceived:
    case State::kRequestReceived:
    case State::kReplySent:
      transmit(refusal);
      last_ = refusal;
      enter(State::kClosed);
      return linger();
    case State::kInquiryReceived: static_cast<void>(answer_inquiry(kInformRejected, {})); return linger();
    case State::kDisconnectReceived: return leave();
    case State::kTimewait: return;
    case State::kInformed: return linger();
    default: break;
  }
  bool refusing = state_ == State::kClosed && last_.header.type == wire::Cm::kReject;
  enter(State::kClosed);
  return refusing ? linger() : finish();
}

/// What refuses a connection stays for a while: the peer may not have heard, or an old request may come again.
void Identifier::linger() {
  manager_.leave_peer(*this);
  manager_.set_deadline(*this, clock_ns() + kTimewait);
}

// --- what arrives ------------------------------------------------------------------------------------------------

void Identifier::on_request(const wire::CmRequest& body) {
  switch (state_) {
    case State::kIdle: break;  // new
    case State::kRequestReceived: return answer(wire::Cm::kWait);
    case State::kReplySent: return transmit(last_);
    case State::kClosed: return refuse_again();
    default: return;
  }
  set_port(remote_, body.source_port);
  theirs_.qpn = body.qpn;
  theirs_.psn = body.psn;
  theirs_.qp_type = body.qp_type;
  theirs_.responder_resources = body.responder_resources;
  theirs_.initiator_depth = body.initiator_depth;
  theirs_.flow_control = body.flow_control;
  theirs_.retry_count = body.retry_count;
  theirs_.rnr_retry_count = body.rnr_retry_count;
  theirs_.srq = body.srq;
  theirs_.ack_timeout = body.ack_timeout;
  theirs_.traffic_class = body.traffic_class;
  theirs_.ece = {body.ece.vendor_id, body.ece.options};
  enter(State::kRequestReceived);
  manager_.join_peer(*this);
  answer(wire::Cm::kWait);  // from where this connection is at home: the listener may go before the program decides
  push(Kind::kConnectRequest, 0, data_of(body.data).first(request_room(space_)), request_room(space_));
}

void Identifier::on_wait() {
  if (state_ != State::kRequestSent && state_ != State::kReplySent) return;
  attempts_ = 1;
  waited_ = true;
  manager_.set_deadline(*this, clock_ns() + kWaitInterval);
}

void Identifier::on_reply(const wire::CmReply& body) {
  if (state_ == State::kReplyReceived) return answer(wire::Cm::kWait);
  if (state_ == State::kEstablished) return answer(wire::Cm::kReady);
  if (state_ == State::kClosed) return refuse_again();
  if (state_ != State::kRequestSent) return;
  stop_timer();
  theirs_.qpn = body.qpn;
  theirs_.psn = body.psn;
  theirs_.responder_resources = body.responder_resources;
  theirs_.initiator_depth = body.initiator_depth;
  theirs_.flow_control = body.flow_control;
  theirs_.rnr_retry_count = body.rnr_retry_count;
  theirs_.srq = body.srq;
  theirs_.ece = {body.ece.vendor_id, body.ece.options};
  enter(State::kReplyReceived);
  manager_.join_peer(*this);
  manager_.join_service(*this);
  push(Kind::kConnectResponse, 0, data_of(body.data), kReplyPrivate);
}

void Identifier::on_ready() {
  if (state_ != State::kReplySent) return;
  stop_timer();
  enter(State::kEstablished);
  push(Kind::kEstablished, 0);
}

void Identifier::on_reject(const wire::CmReject& body) {
  // The peer's process is gone, and another one has its port.
  if (body.reason == kRejectInvalidId) return refused();
  if (body.reason == kRejectNoService && may_yet_listen()) return address_service();
  switch (state_) {
    case State::kRequestReceived: return withdrawn();
    case State::kRequestSent:
    case State::kReplyReceived:
    case State::kReplySent:
      enter(State::kClosed);
      push(Kind::kRejected, body.reason, data_of(body.data), kRejectPrivate);
      return finish();
    default: return;
  }
}

/// The request that the program thinks about is void. It is not told, as the kernel does not: its accept fails.
void Identifier::withdrawn() {
  enter(State::kClosed);
  finish();
}

/// The answer is the program's: it leaves, too.
void Identifier::on_disconnect() {
  switch (state_) {
    case State::kReplySent: on_ready(); [[fallthrough]];  // kReady was lost
    case State::kEstablished: return ended_by_peer();
    case State::kDisconnectReceived: return;
    case State::kDisconnectSent: answer(wire::Cm::kDisconnected); return disconnected(0);
    case State::kReplyReceived: return;  // it comes again when the program has established
    default: return answer(wire::Cm::kDisconnected);
  }
}

void Identifier::on_probe() {
  if (state_ != State::kClosed) return answer(wire::Cm::kAlive);
  refuse_again();
}

void Identifier::refuse_again() {
  if (last_.header.type != wire::Cm::kReject) {
    last_ = message(wire::Cm::kReject);
    last_.reject.reason = kRejectInvalidId;
  }
  last_.header.receiver = peer_number_;
  transmit(last_);
}

void Identifier::on_disconnected() {
  if (state_ == State::kDisconnectSent) disconnected(0);
}

void Identifier::ended_by_peer() {
  enter(State::kDisconnectReceived);
  stop_timer();
  manager_.leave_peer(*this);
  push(Kind::kDisconnected, 0);
}

// --- the ends ----------------------------------------------------------------------------------------------------

void Identifier::disconnected(int status) {
  manager_.leave_peer(*this);
  push(Kind::kDisconnected, status);
  start_timewait();
}

void Identifier::start_timewait() {
  manager_.leave_peer(*this);
  enter(State::kTimewait);
  manager_.set_deadline(*this, clock_ns() + kTimewait);
}

/// After the peer, and with an answer for it.
void Identifier::leave() {
  answer(wire::Cm::kDisconnected);
  start_timewait();
}

/// Programs that make their listener anew between two connections are away for a moment, which the time that hardware
/// takes to connect covers. So the refusal of a program that is known to have listened is not believed at once.
bool Identifier::may_yet_listen() const {
  return state_ == State::kRequestSent && !waited_ && attempts_ < kRefusals && manager_.knows_service(*this);
}

void Identifier::refused() {
  if (may_yet_listen()) return;  // the timer sends again
  auto keep = shared_from_this();
  switch (state_) {
    case State::kRequestSent:
      enter(State::kClosed);
      push(Kind::kRejected, waited_ ? kRejectByConsumer : kRejectNoService, {}, kRejectPrivate);
      return finish();
    case State::kRequestReceived: return withdrawn();
    case State::kReplyReceived:
    case State::kReplySent:
      enter(State::kClosed);
      push(Kind::kRejected, kRejectByConsumer, {}, kRejectPrivate);
      return finish();
    case State::kEstablished: return peer_lost();
    case State::kDisconnectSent: manager_.leave_service(*this); return disconnected(0);
    case State::kInquirySent:
      enter(State::kClosed);
      push(Kind::kUnreachable, kInformUnsupported, {}, 0);
      return finish();
    default: return;
  }
}

void Identifier::peer_lost() {
  if (state_ != State::kEstablished) return;
  manager_.leave_service(*this);
  ended_by_peer();
}

}  // namespace vb::cm
