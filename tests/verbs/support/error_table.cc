// SPDX-License-Identifier: BSD-2-Clause
#include "support/error_table.h"

#include "support/datagram.h"

namespace vt {
namespace {

constexpr int kReadOnly = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ;
constexpr int kWriteOnly = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE;
constexpr uint32_t kOtherKey = 0x5a5a5a00;

Sges few(const Ends& ends) { return {ends.at_a.sge(0, 8)}; }
Sges sixty_four(const Ends& ends) { return {ends.at_a.sge(0, 64)}; }
ibv_sge bad_key(const Address& at) { return {at.buffer, 64, at.lkey ^ kOtherKey}; }

SendWr a_send(const Ends& ends) { return send_wr(1, sixty_four(ends)); }
SendWr send_from_bad_key(const Ends& ends) { return send_wr(1, {bad_key(ends.at_a)}); }
SendWr send_from_behind(const Ends& ends) { return send_wr(1, {ends.at_a.sge(ends.at_a.length - 63, 64)}); }
SendWr send_from_other_pd(const Ends& ends) {
  const Region region = ends.a.reg_in_other_pd(0, 4096, kAllAccess);
  return send_wr(1, {{region.addr, 64, region.lkey}});
}
SendWr read_into_read_only(const Ends& ends) {
  const Region region = ends.a.reg(0, 4096, IBV_ACCESS_REMOTE_READ);
  return read_wr(1, {{region.addr, 8, region.lkey}}, ends.at_b.buffer, ends.at_b.rkey);
}

SendWr write_bad_key(const Ends& ends) { return write_wr(1, few(ends), ends.at_b.buffer, ends.at_b.rkey ^ kOtherKey); }
SendWr write_imm_bad_key(const Ends& ends) {
  return write_imm_wr(1, few(ends), ends.at_b.buffer, ends.at_b.rkey ^ kOtherKey, 7);
}
SendWr write_behind(const Ends& ends) {
  return write_wr(1, few(ends), ends.at_b.buffer + ends.at_b.length - 7, ends.at_b.rkey);
}
SendWr write_other_pd(const Ends& ends) {
  const Region region = ends.b.reg_in_other_pd(0, 4096, kAllAccess);
  return write_wr(1, few(ends), region.addr, region.rkey);
}
SendWr write_read_only(const Ends& ends) {
  const Region region = ends.b.reg(0, 4096, kReadOnly);
  return write_wr(1, few(ends), region.addr, region.rkey);
}
SendWr read_write_only(const Ends& ends) {
  const Region region = ends.b.reg(0, 4096, kWriteOnly);
  return read_wr(1, few(ends), region.addr, region.rkey);
}
SendWr atomic_not_allowed(const Ends& ends) {
  const Region region = ends.b.reg(0, 4096, kWriteOnly | kReadOnly);
  return fetch_add_wr(1, few(ends), region.addr, region.rkey, 1);
}
SendWr a_write(const Ends& ends) { return write_wr(1, few(ends), ends.at_b.buffer, ends.at_b.rkey); }
SendWr a_read(const Ends& ends) { return read_wr(1, few(ends), ends.at_b.buffer, ends.at_b.rkey); }
SendWr an_atomic(const Ends& ends) { return fetch_add_wr(1, few(ends), ends.at_b.buffer, ends.at_b.rkey, 1); }
SendWr short_atomic(const Ends& ends) {
  return fetch_add_wr(1, {ends.at_a.sge(0, 4)}, ends.at_b.buffer, ends.at_b.rkey, 1);
}
SendWr misaligned_atomic(const Ends& ends) {
  return fetch_add_wr(1, few(ends), ends.at_b.buffer + 4 + (8 - ends.at_b.buffer % 8) % 8, ends.at_b.rkey, 1);
}
SendWr send_to_nobody(const Ends& ends) {
  ends.b.destroy_qp();
  return a_send(ends);
}

// Memory windows. All but the last are of the sender's own.
SendWr bind_not_allowed(const Ends& ends) {
  const uint32_t key = ends.a.window_key();
  SendWr request = make_wr(IBV_WR_BIND_MW, 1, {}, kSignaled);
  ibv_mr* mr = ibv_reg_mr(ends.a.local().pd(), reinterpret_cast<void*>(ends.at_a.buffer), 4096, IBV_ACCESS_LOCAL_WRITE);
  request.wr.bind_mw = {ends.a.local().window(), ibv_inc_rkey(key), {mr, ends.at_a.buffer, 64, IBV_ACCESS_REMOTE_READ}};
  ends.a.local().adopt(mr);
  return request;
}
SendWr invalidate_unbound(const Ends& ends) {
  SendWr request = make_wr(IBV_WR_LOCAL_INV, 1, {}, kSignaled);
  request.wr.invalidate_rkey = ends.a.window_key();
  return request;
}
SendWr send_invalidating_unbound(const Ends& ends) {
  SendWr request = make_wr(IBV_WR_SEND_WITH_INV, 1, sixty_four(ends), kSignaled);
  request.wr.invalidate_rkey = ends.b.window_key();
  return request;
}
SendWr write_through_unbound(const Ends& ends) { return write_wr(1, few(ends), ends.at_b.buffer, ends.b.window_key()); }

// Datagrams.
SendWr datagram(const Ends& ends, SendWr request, uint32_t qkey = kQkey) {
  return to(ends.a_to_b, ends.at_b.qpn, std::move(request), qkey);
}
SendWr a_datagram(const Ends& ends) { return datagram(ends, a_send(ends)); }
SendWr datagram_from_bad_key(const Ends& ends) { return datagram(ends, send_from_bad_key(ends)); }
SendWr datagram_too_long(const Ends& ends) { return datagram(ends, send_wr(1, {ends.at_a.sge(0, 4097)})); }
SendWr datagram_by_foreign_handle(const Ends& ends) {
  return to(ends.a.make_ah_in_other_pd(ends.at_b.gid), ends.at_b.qpn, a_send(ends));
}
SendWr datagram_with_bad_qkey(const Ends& ends) { return datagram(ends, a_send(ends), kQkey ^ 1); }
SendWr datagram_to_nobody(const Ends& ends) { return to(ends.a_to_b, ends.at_b.qpn ^ 0x550, a_send(ends)); }

RecvWr large_enough(const Ends& ends) { return recv_wr(101, {ends.at_b.sge(0, 4096)}); }
RecvWr too_small(const Ends& ends) { return recv_wr(101, {ends.at_b.sge(0, 63)}); }
RecvWr too_small_for_header(const Ends& ends) { return recv_wr(101, {ends.at_b.sge(0, kGrh + 63)}); }
RecvWr receive_bad_key(const Ends& ends) { return recv_wr(101, {bad_key(ends.at_b)}); }
RecvWr receive_datagram_bad_key(const Ends& ends) {
  ibv_sge sge = bad_key(ends.at_b);
  sge.length = kGrh + 64;
  return recv_wr(101, {sge});
}
RecvWr receive_read_only(const Ends& ends) {
  const Region region = ends.b.reg(0, 4096, IBV_ACCESS_REMOTE_READ);
  return recv_wr(101, {{region.addr, 64, region.lkey}});
}

void no_write(Link&, Link& b) { b.qp_access = kReadOnly; }
void no_read(Link&, Link& b) { b.qp_access = kWriteOnly; }
void no_atomic(Link&, Link& b) { b.qp_access = kWriteOnly | kReadOnly; }
void no_resources(Link&, Link& b) { b.dest_rd_atomic = 0; }
void no_reads_out(Link& a, Link&) { a.rd_atomic = 0; }
void no_rnr_retry(Link& a, Link&) { a.rnr_retry = 0; }
void few_retries(Link& a, Link&) { a.retry_cnt = 1; }

constexpr ibv_qp_state kRts = IBV_QPS_RTS, kErr = IBV_QPS_ERR, kSqe = IBV_QPS_SQE;

// The pairs of ends that errors leave behind.
constexpr ErrorOutcome local(ibv_wc_status status) { return {status, kErr, kStays, kRts}; }
constexpr ErrorOutcome refused(ibv_wc_status status, int event) {
  return {status, kErr, IBV_WC_WR_FLUSH_ERR, kErr, event};
}
constexpr ErrorOutcome receive_failed(ibv_wc_status status, ibv_wc_status at_receiver) {
  return {status, kErr, at_receiver, kErr};
}
constexpr ErrorOutcome access_error = refused(IBV_WC_REM_ACCESS_ERR, IBV_EVENT_QP_ACCESS_ERR);
constexpr ErrorOutcome invalid_request = refused(IBV_WC_REM_INV_REQ_ERR, IBV_EVENT_QP_REQ_ERR);
constexpr ErrorOutcome sends_stop(ibv_wc_status status) { return {status, kSqe, kStays, kRts}; }
constexpr ErrorOutcome dropped = {IBV_WC_SUCCESS, kRts, kStays, kRts};

constexpr ErrorOutcome rxe_access = refused(IBV_WC_REM_ACCESS_ERR, kNoEvent);
constexpr ErrorOutcome rxe_invalid = refused(IBV_WC_REM_INV_REQ_ERR, kNoEvent);
constexpr ErrorOutcome rxe_receive = receive_failed(IBV_WC_REM_OP_ERR, IBV_WC_LOC_QP_OP_ERR);
constexpr ErrorOutcome rxe_local = local(IBV_WC_LOC_QP_OP_ERR);

constexpr char kNoEvents[] =
    "A responder's refusal is an affiliated asynchronous error of its QP (asynchronous events).";
constexpr char kNoReceiveTaken[] =
    "A request that is refused for its R_Key takes no receive (responder errors), and is an affiliated asynchronous "
    "error (asynchronous events).";
constexpr char kLocalKey[] = "A local L_Key violation is a local protection error (completion statuses).";
constexpr char kTooLong[] =
    "A message longer than its receive is a local length error, and answered as an invalid request (responder errors, "
    "completion statuses).";
constexpr char kSqeState[] =
    "A completion error of an unreliable send queue leads to SQE, not to ERR (queue pair states); the L_Key is a "
    "protection matter (completion statuses).";
constexpr char kBeyondMtu[] = "A datagram that is longer than the MTU is a local length error (completion statuses).";
constexpr char kTooLongForReceive[] =
    "A datagram longer than its receive is a local length error (completion statuses).";
constexpr char kUcDrop[] =
    "UC drops a message that does not fit, without using up the receive (unreliable connections).";

const std::vector<ErrorRow> kRows = {
    // Errors that the requester finds in its own memory: nothing is sent.
    {"SendFromAWrongKey", IBV_QPT_RC, "SEND from an L_Key that does not exist", send_from_bad_key, large_enough,
     nullptr, local(IBV_WC_LOC_PROT_ERR), rxe_local, kLocalKey},
    {"SendFromAnotherPd", IBV_QPT_RC, "SEND from a region of another PD", send_from_other_pd, large_enough, nullptr,
     local(IBV_WC_LOC_PROT_ERR), rxe_local, kLocalKey},
    {"SendFromBehindTheRegion", IBV_QPT_RC, "SEND from beyond the end of a region", send_from_behind, large_enough,
     nullptr, local(IBV_WC_LOC_PROT_ERR)},
    {"ReadWithoutLocalWrite", IBV_QPT_RC, "READ into a region without LOCAL_WRITE", read_into_read_only, large_enough,
     nullptr, local(IBV_WC_LOC_PROT_ERR)},

    {"ReadWithoutInitiatorResources",
     IBV_QPT_RC,
     "READ with max_rd_atomic 0 at the sender",
     a_read,
     large_enough,
     no_reads_out,
     local(IBV_WC_LOC_QP_OP_ERR),
     {},
     "The queue pair cannot execute it: a local QP operation error (completion statuses).",
     true,
     false,
     "never completes"},
    {"AtomicOfFourBytes",
     IBV_QPT_RC,
     "FETCH_ADD with 4 bytes for the result",
     short_atomic,
     large_enough,
     nullptr,
     local(IBV_WC_LOC_LEN_ERR),
     {},
     "Its result has 8 bytes, which do not fit: a local length error (completion statuses).",
     true,
     false,
     "ibv_post_send gives EINVAL"},

    // Requests that the responder refuses by what they ask for.
    {"WriteWithAWrongKey", IBV_QPT_RC, "WRITE to an R_Key that does not exist", write_bad_key, large_enough, nullptr,
     access_error, rxe_access, kNoEvents},
    {"WriteWithImmediateWithAWrongKey", IBV_QPT_RC, "WRITE with immediate to an R_Key that does not exist",
     write_imm_bad_key, large_enough, nullptr, access_error,
     receive_failed(IBV_WC_REM_ACCESS_ERR, IBV_WC_REM_ACCESS_ERR), kNoReceiveTaken},
    {"WriteBehindTheRegion", IBV_QPT_RC, "WRITE beyond the end of a region", write_behind, large_enough, nullptr,
     access_error, rxe_access, kNoEvents},
    {"WriteToAnotherPd", IBV_QPT_RC, "WRITE to a region of another PD", write_other_pd, large_enough, nullptr,
     access_error, rxe_access, kNoEvents},
    {"WriteWithoutRemoteWrite", IBV_QPT_RC, "WRITE to a region without REMOTE_WRITE", write_read_only, large_enough,
     nullptr, access_error, rxe_access, kNoEvents},
    {"ReadWithoutRemoteRead", IBV_QPT_RC, "READ from a region without REMOTE_READ", read_write_only, large_enough,
     nullptr, access_error, rxe_access, kNoEvents},
    {"AtomicWithoutRemoteAtomic", IBV_QPT_RC, "FETCH_ADD on a region without REMOTE_ATOMIC", atomic_not_allowed,
     large_enough, nullptr, access_error, rxe_access, kNoEvents},
    {"WriteToAQpWithoutRemoteWrite", IBV_QPT_RC, "WRITE to a QP whose access flags lack REMOTE_WRITE", a_write,
     large_enough, no_write, invalid_request, rxe_invalid, kNoEvents},
    {"ReadFromAQpWithoutRemoteRead", IBV_QPT_RC, "READ from a QP whose access flags lack REMOTE_READ", a_read,
     large_enough, no_read, invalid_request, rxe_invalid, kNoEvents},
    {"AtomicOnAQpWithoutRemoteAtomic", IBV_QPT_RC, "FETCH_ADD on a QP whose access flags lack REMOTE_ATOMIC", an_atomic,
     large_enough, no_atomic, invalid_request, rxe_invalid, kNoEvents},
    {"ReadWithoutResources", IBV_QPT_RC, "READ from a QP with max_dest_rd_atomic 0", a_read, large_enough, no_resources,
     invalid_request, rxe_invalid, kNoEvents},
    {"MisalignedAtomic",
     IBV_QPT_RC,
     "FETCH_ADD on an address that is no multiple of 8",
     misaligned_atomic,
     large_enough,
     nullptr,
     invalid_request,
     {},
     "The responder checks, and answers \"invalid request\" (atomic operations).",
     true,
     false,
     "ibv_post_send gives EINVAL"},

    // Messages that meet a receive which cannot take them.
    {"ReceiveTooSmall", IBV_QPT_RC, "SEND of 64 bytes to a receive of 63", a_send, too_small, nullptr,
     receive_failed(IBV_WC_REM_INV_REQ_ERR, IBV_WC_LOC_LEN_ERR), rxe_receive, kTooLong},
    {"ReceiveWithAWrongKey", IBV_QPT_RC, "SEND to a receive with an L_Key that does not exist", a_send, receive_bad_key,
     nullptr, receive_failed(IBV_WC_REM_OP_ERR, IBV_WC_LOC_PROT_ERR), rxe_receive, kLocalKey},
    {"ReceiveWithoutLocalWrite", IBV_QPT_RC, "SEND to a receive in a region without LOCAL_WRITE", a_send,
     receive_read_only, nullptr, receive_failed(IBV_WC_REM_OP_ERR, IBV_WC_LOC_PROT_ERR), rxe_receive, kLocalKey},

    // Memory windows.
    {"BindWithoutPermission", IBV_QPT_RC, "BIND of a window to a region without MW_BIND", bind_not_allowed,
     large_enough, nullptr, local(IBV_WC_MW_BIND_ERR)},
    {"InvalidateWhatIsNotBound",
     IBV_QPT_RC,
     "LOCAL_INV of a window that is not bound",
     invalidate_unbound,
     large_enough,
     nullptr,
     local(IBV_WC_LOC_QP_OP_ERR),
     {},
     "A local QP operation error (completion statuses).",
     true,
     false,
     "the kernel panics"},
    {"SendInvalidatingWhatIsNotBound",
     IBV_QPT_RC,
     "SEND with invalidate of a window that is not bound",
     send_invalidating_unbound,
     large_enough,
     nullptr,
     {IBV_WC_REM_OP_ERR, kErr, IBV_WC_REM_INV_REQ_ERR, kErr, IBV_EVENT_QP_ACCESS_ERR},
     {},
     "The responder looks at the R_Key, and refuses (responder errors).",
     true,
     false,
     "the kernel panics"},
    {"WriteThroughAWindowThatIsNotBound", IBV_QPT_RC, "WRITE through a window that is not bound", write_through_unbound,
     large_enough, nullptr, access_error, rxe_access, kNoEvents},

    // No answer, or none that helps.
    {"NoReceive",
     IBV_QPT_RC,
     "SEND that finds no receive, rnr_retry 0",
     a_send,
     large_enough,
     no_rnr_retry,
     {IBV_WC_RNR_RETRY_EXC_ERR, kErr, kStays, kRts},
     {},
     "",
     false},
    {"NoPeer",
     IBV_QPT_RC,
     "SEND to a QP that was destroyed, retry_cnt 1",
     send_to_nobody,
     large_enough,
     few_retries,
     {IBV_WC_RETRY_EXC_ERR, kErr, kStays, kRts},
     {},
     "",
     true,
     true},

    // UC: the sender hears of nothing that happens at the receiver.
    {"SendFromAWrongKey",
     IBV_QPT_UC,
     "SEND from an L_Key that does not exist",
     send_from_bad_key,
     large_enough,
     nullptr,
     {IBV_WC_LOC_PROT_ERR, kSqe, kStays, kRts},
     rxe_local,
     kSqeState},
    {"WriteWithAWrongKey", IBV_QPT_UC, "WRITE to an R_Key that does not exist", write_bad_key, large_enough, nullptr,
     dropped},
    {"WriteToAQpWithoutRemoteWrite", IBV_QPT_UC, "WRITE to a QP whose access flags lack REMOTE_WRITE", a_write,
     large_enough, no_write, dropped},
    {"NoReceive", IBV_QPT_UC, "SEND that finds no receive", a_send, large_enough, nullptr, dropped, {}, "", false},
    {"ReceiveTooSmall", IBV_QPT_UC, "SEND of 64 bytes to a receive of 63", a_send, too_small, nullptr, dropped,
     ErrorOutcome{IBV_WC_SUCCESS, kRts, IBV_WC_LOC_QP_OP_ERR, kErr}, kUcDrop},
    {"ReceiveWithAWrongKey",
     IBV_QPT_UC,
     "SEND to a receive with an L_Key that does not exist",
     a_send,
     receive_bad_key,
     nullptr,
     {IBV_WC_SUCCESS, kRts, IBV_WC_LOC_PROT_ERR, kErr},
     ErrorOutcome{IBV_WC_SUCCESS, kRts, IBV_WC_LOC_QP_OP_ERR, kErr},
     kLocalKey},

    // UD: the same, and a key of its own.
    {"SendFromAWrongKey", IBV_QPT_UD, "SEND from an L_Key that does not exist", datagram_from_bad_key, large_enough,
     nullptr, sends_stop(IBV_WC_LOC_PROT_ERR), rxe_local, kSqeState},
    {"SendBeyondTheMtu", IBV_QPT_UD, "SEND of more than the MTU", datagram_too_long, large_enough, nullptr,
     sends_stop(IBV_WC_LOC_LEN_ERR), dropped, kBeyondMtu},
    {"SendByAForeignHandle", IBV_QPT_UD, "SEND by an address handle of another PD", datagram_by_foreign_handle,
     large_enough, nullptr, sends_stop(IBV_WC_LOC_QP_OP_ERR), rxe_local, kSqeState},
    {"SendWithAWrongQkey", IBV_QPT_UD, "SEND with another Q_Key than the receiver's", datagram_with_bad_qkey,
     large_enough, nullptr, dropped},
    {"SendToNobody", IBV_QPT_UD, "SEND to a QP that does not exist", datagram_to_nobody, large_enough, nullptr,
     dropped},
    {"NoReceive", IBV_QPT_UD, "SEND that finds no receive", a_datagram, large_enough, nullptr, dropped, {}, "", false},
    {"ReceiveTooSmall",
     IBV_QPT_UD,
     "SEND of 64 bytes to a receive of 40 and 63",
     a_datagram,
     too_small_for_header,
     nullptr,
     {IBV_WC_SUCCESS, kRts, IBV_WC_LOC_LEN_ERR, kErr},
     ErrorOutcome{IBV_WC_SUCCESS, kRts, IBV_WC_LOC_QP_OP_ERR, kErr},
     kTooLongForReceive},
    {"ReceiveWithAWrongKey",
     IBV_QPT_UD,
     "SEND to a receive with an L_Key that does not exist",
     a_datagram,
     receive_datagram_bad_key,
     nullptr,
     {IBV_WC_SUCCESS, kRts, IBV_WC_LOC_PROT_ERR, kErr},
     ErrorOutcome{IBV_WC_SUCCESS, kRts, IBV_WC_LOC_QP_OP_ERR, kErr},
     kLocalKey},
};

const char* name_of(int status) {
  switch (status) {
    case kStays: return "stays";
    case IBV_WC_SUCCESS: return "SUCCESS";
    case IBV_WC_LOC_LEN_ERR: return "LOC_LEN_ERR";
    case IBV_WC_LOC_QP_OP_ERR: return "LOC_QP_OP_ERR";
    case IBV_WC_LOC_PROT_ERR: return "LOC_PROT_ERR";
    case IBV_WC_MW_BIND_ERR: return "MW_BIND_ERR";
    case IBV_WC_WR_FLUSH_ERR: return "WR_FLUSH_ERR";
    case IBV_WC_REM_INV_REQ_ERR: return "REM_INV_REQ_ERR";
    case IBV_WC_REM_ACCESS_ERR: return "REM_ACCESS_ERR";
    case IBV_WC_REM_OP_ERR: return "REM_OP_ERR";
    case IBV_WC_RETRY_EXC_ERR: return "RETRY_EXC_ERR";
    case IBV_WC_RNR_RETRY_EXC_ERR: return "RNR_RETRY_EXC_ERR";
    default: return "?";
  }
}

const char* state_name(ibv_qp_state state) {
  return state == kRts ? "RTS" : state == kErr ? "ERR" : state == kSqe ? "SQE" : "?";
}

const char* event_name(int event) {
  return event == IBV_EVENT_QP_ACCESS_ERR ? "QP_ACCESS_ERR" : event == IBV_EVENT_QP_REQ_ERR ? "QP_REQ_ERR" : "none";
}

const char* type_name(ibv_qp_type type) { return type == IBV_QPT_RC ? "RC" : type == IBV_QPT_UC ? "UC" : "UD"; }

std::string receiver_text(const ErrorRow& row, const ErrorOutcome& outcome) {
  if (row.no_receiver) return "gone | | ";
  const char* receive = row.receives ? name_of(outcome.receiver) : "none posted";
  return std::string(receive) + " | " + state_name(outcome.receiver_state) + " | " + event_name(outcome.receiver_event);
}

std::string outcome_text(const ErrorRow& row, const ErrorOutcome& outcome) {
  return std::string(name_of(outcome.sender)) + " | " + state_name(outcome.sender_state) + " | " +
         receiver_text(row, outcome) + " |\n";
}

}  // namespace

const std::vector<ErrorRow>& error_table() { return kRows; }

std::string error_table_markdown() {
  std::string text =
      "| QP | how | sender: status | state | receiver: its receive | state | event |\n"
      "| --- | --- | --- | --- | --- | --- | --- |\n";
  for (const ErrorRow& row : kRows)
    text += std::string("| ") + type_name(row.type) + " | " + row.how + " | " + outcome_text(row, row.wanted);
  text +=
      "\nWhere rdma_rxe (Linux 6.1) differs:\n\n"
      "| QP | how | sender: status | state | receiver: its receive | state | event | the rule |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const ErrorRow& row : kRows) {
    if (!row.rxe && !*row.rxe_instead) continue;
    std::string line = row.rxe ? outcome_text(row, *row.rxe) : std::string(row.rxe_instead) + " | | | | |\n";
    line.pop_back();
    text += std::string("| ") + type_name(row.type) + " | " + row.how + " | " + line + " " + row.why + " |\n";
  }
  return text;
}

}  // namespace vt
