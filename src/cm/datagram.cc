// SPDX-License-Identifier: BSD-2-Clause
// Datagram services: one inquiry, one answer that says where to send to (service ID resolution).
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

}  // namespace

Result<void> Identifier::inquire(PrivateData data) {
  if (Manager::current() != &manager_) return Error{EBADF};
  Hold hold(manager_);
  if (state_ != State::kIdle || data.size() > kInquirePrivate - kIpHeader) return Error{EINVAL};
  if (auto ready = speak(); !ready) return ready;
  wire::CmMessage inquiry = message(wire::Cm::kInquire);
  wire::CmInquire& body = inquiry.inquire;
  body.space = static_cast<uint16_t>(space_);
  body.service_port = port_of(remote_);
  body.source_port = port_of(local_);
  if (!put_private(body.data, data)) return Error{EINVAL};
  enter(State::kInquirySent);
  transmit_until_answered(inquiry);
  return {};
}

Result<void> Identifier::inform(const Parameters& mine, PrivateData data) {
  if (Manager::current() != &manager_) return Error{EBADF};
  Hold hold(manager_);
  mine_ = mine;
  has_events_ = true;
  return answer_inquiry(kInformValid, data);
}

Result<void> Identifier::refuse_inquiry(PrivateData data) {
  if (Manager::current() != &manager_) return Error{EBADF};
  Hold hold(manager_);
  return answer_inquiry(kInformRejected, data);
}

Result<void> Identifier::answer_inquiry(InformStatus status, PrivateData data) {
  wire::CmMessage answer = message(wire::Cm::kInform);
  if (state_ != State::kInquiryReceived || !put_private(answer.inform.data, data)) return Error{EINVAL};
  answer.inform.status = status;
  answer.inform.qpn = mine_.qpn;
  answer.inform.qkey = mine_.qkey;
  answer.inform.ece = {mine_.ece.vendor_id, mine_.ece.options};
  transmit(answer);
  last_ = answer;  // for an inquiry that comes again
  enter(State::kInformed);
  return {};
}

void Identifier::on_inquire(const wire::CmInquire& body) {
  switch (state_) {
    case State::kIdle: break;  // new
    case State::kInquiryReceived: return answer(wire::Cm::kWait);
    case State::kInformed: return transmit(last_);
    default: return;
  }
  set_port(remote_, body.source_port);
  enter(State::kInquiryReceived);
  answer(wire::Cm::kWait);  // from where the answer will come: the listener may go before
  constexpr size_t kRoom = kInquirePrivate - kIpHeader;
  push(Kind::kConnectRequest, 0, data_of(body.data).first(kRoom), kRoom);
}

void Identifier::on_inform(const wire::CmInform& body) {
  if (state_ != State::kInquirySent) return;
  stop_timer();
  theirs_.qpn = body.qpn;
  theirs_.qkey = body.qkey;
  theirs_.ece = {body.ece.vendor_id, body.ece.options};
  enter(State::kClosed);
  if (body.status == kInformValid) {
    push(Kind::kEstablished, 0, data_of(body.data), kInformPrivate);
  } else {
    push(Kind::kUnreachable, static_cast<int>(body.status & 0xff), data_of(body.data), kInformPrivate);
  }
}

}  // namespace vb::cm
