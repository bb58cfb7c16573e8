// SPDX-License-Identifier: BSD-2-Clause
// Every error of support/error_table.h, in both forms: what the request that provokes it gets, what its receiver gets,
// what is flushed behind it and what is not, the states afterwards, and who is told by an asynchronous event.
#include "support/error_table.h"
#include "support/datagram.h"

namespace vt {
namespace {

struct TableParam {
  Form form;
  const ErrorRow* row;
};

std::string table_param_name(const testing::TestParamInfo<TableParam>& info) {
  const PairParam pair{info.param.form, info.param.row->type};
  return std::string(info.param.row->name) + "_" + param_name({pair, 0});
}

void PrintTo(const TableParam& param, std::ostream* out) { *out << table_param_name({param, 0}); }

std::vector<TableParam> all_rows() {
  std::vector<TableParam> all;
  for (const ErrorRow& row : error_table())
    for (Form form : {Form::kOneProcess, Form::kTwoProcesses}) all.push_back({form, &row});
  return all;
}

// The ends of PairTest, for a parameter of another kind.
class ErrorTableTest : public VerbsTest, public testing::WithParamInterface<TableParam> {
 protected:
  const ErrorRow& row = *GetParam().row;
  std::unique_ptr<Side> a, b;
  Address at_a, at_b;
  uint64_t a_to_b = 0, b_to_a = 0;  // address handles

  ErrorOutcome wanted() const { return device_is_rxe() && row.rxe ? *row.rxe : row.wanted; }

  void make_connected() {
    const EndOptions options{.type = row.type, .qps = is_datagram() ? 2 : 1};
    a = std::make_unique<Side>(options);
    b = GetParam().form == Form::kOneProcess ? std::make_unique<Side>(options)
                                             : std::make_unique<Side>(running_peer(), options);
    Link of_a, of_b;
    if (row.shape) row.shape(of_a, of_b);
    at_a = a->address();
    at_b = b->address();
    if (is_datagram()) {
      ASSERT_EQ(a->to_datagrams(kQkey), 0);
      ASSERT_EQ(b->to_datagrams(kQkey), 0);
      ASSERT_EQ(b->to_datagrams(kQkey, 1), 0);
      a_to_b = a->make_ah(at_b.gid);
      b_to_a = b->make_ah(at_a.gid);
      return;
    }
    ASSERT_EQ(a->connect(at_b, of_a), 0);
    ASSERT_EQ(b->connect(at_a, of_b), 0);
  }

  bool is_datagram() const { return row.type == IBV_QPT_UD; }
  SendWr to_b(SendWr request) { return is_datagram() ? to(a_to_b, at_b.qpn, request) : request; }
  SendWr to_a(SendWr request) { return is_datagram() ? to(b_to_a, at_a.qpn, request) : request; }
  // A receive of an empty message.
  RecvWr empty(uint64_t id, const Address& at) const {
    return is_datagram() ? recv_wr(id, {at.sge(32768, kGrh)}) : recv_wr(id);
  }

  // A message that arrives: what follows does not meet a connection that is still being made.
  void send_one() {
    ASSERT_POSTED(b->post_recv(empty(100, at_b)));
    ASSERT_POSTED(a->post_send(to_b(send_wr(0, {}))));
    ASSERT_DONE(b->wait_recv(), 100);
    ASSERT_DONE(a->wait_send(), 0);
  }

  void provoke() {
    const Ends ends{*a, *b, at_a, at_b, a_to_b};
    ASSERT_POSTED(a->post_recv({empty(200, at_a), empty(201, at_a)}));
    if (row.receives) {
      RecvWr first = row.receive(ends);
      first.wr_id = 101;
      ASSERT_POSTED(b->post_recv({first, empty(102, at_b)}));
    }
    SendWr request = row.request(ends);
    request.wr.wr_id = 1;
    // The last needs no memory and no receive: it succeeds unless it is flushed.
    const SendWr last =
        is_datagram() ? to(a_to_b, at_b.qpn, send_wr(2, {}), kQkey ^ 1) : write_wr(2, {}, at_b.buffer, at_b.rkey);
    ASSERT_POSTED(a->post_send({request, last}));
  }

  void expect_at_sender(const ErrorOutcome& outcome) {
    auto wcs = a->wait_send(2);
    ASSERT_EQ(wcs.size(), 2u);
    EXPECT_STATUS(one_of(wcs, 0), 1, outcome.sender);
    EXPECT_STATUS(one_of(wcs, 1), 2, outcome.sender_state == IBV_QPS_RTS ? IBV_WC_SUCCESS : IBV_WC_WR_FLUSH_ERR);
    for (const ibv_wc& wc : wcs) EXPECT_EQ(wc.qp_num, at_a.qpn);
    // Only a vendor's hardware has more to say, and a flush never has.
    EXPECT_EQ(wcs[1].vendor_err, 0u);
    if (outcome.sender_state == IBV_QPS_ERR) {
      EXPECT_TRUE(completed_all(a->wait_recv(2), {200, 201}, IBV_WC_WR_FLUSH_ERR));
    }
    EXPECT_EQ(a->state(), outcome.sender_state);
    EXPECT_EQ(a->wait_event(0).type, kNoEvent);
  }

  void expect_at_receiver(const ErrorOutcome& outcome) {
    std::vector<ibv_wc> wcs;
    if (row.receives && outcome.receiver != kStays) {
      wcs = b->wait_recv(2);
      ASSERT_EQ(wcs.size(), 2u);
      EXPECT_STATUS(one_of(wcs, 0), 101, static_cast<ibv_wc_status>(outcome.receiver));
      EXPECT_STATUS(one_of(wcs, 1), 102, IBV_WC_WR_FLUSH_ERR);
    }
    EXPECT_EQ(b->state(), outcome.receiver_state);
    const AsyncEvent event = b->wait_event(outcome.receiver_event == kNoEvent ? 0 : 10000);
    EXPECT_EQ(event.type, outcome.receiver_event);
    if (outcome.receiver_event != kNoEvent) {
      EXPECT_EQ(event.qp, 0);
    }
    EXPECT_EQ(b->wait_event(0).type, kNoEvent) << "a second event";
  }

  // What goes on is shown to go on, in both directions.
  void expect_what_stays(const ErrorOutcome& outcome) {
    if (outcome.sender_state == IBV_QPS_ERR || outcome.receiver_state == IBV_QPS_ERR) {
      EXPECT_TRUE(a->poll_recv().empty());
      EXPECT_TRUE(b->poll_recv().empty());
      return;
    }
    ASSERT_POSTED(b->post_send(to_a(send_wr(5, {}))));
    EXPECT_DONE(b->wait_send(), 5);
    EXPECT_DONE(a->wait_recv(), 200);
  }

  // What found no receive has been dropped: a message behind it has reached another QP, or memory.
  void await_drop() {
    if (is_datagram()) {
      RecvWr receive = empty(103, at_b);
      ASSERT_POSTED(b->post_recv(receive, 1));
      ASSERT_POSTED(a->post_send(to(a_to_b, b->address(1).qpn, send_wr(4, {}))));
      ASSERT_DONE(b->wait_recv(), 103);
    } else {
      const uint64_t last = at_b.length - 1;
      const uint8_t other = static_cast<uint8_t>(~b->load(last, 1)[0]);
      a->store(0, {other});
      ASSERT_POSTED(a->post_send(write_wr(4, {at_a.sge(0, 1)}, at_b.buffer + last, at_b.rkey)));
      ASSERT_TRUE(b->spin_on_byte(last, other));
    }
    ASSERT_DONE(a->wait_send(), 4);
  }

  // Behind it comes a message that arrives, in the receive that was not used up.
  void fence() {
    if (!row.receives) {
      await_drop();
      if (HasFatalFailure()) return;
      ASSERT_POSTED(b->post_recv(empty(101, at_b)));
    }
    ASSERT_POSTED(a->post_send(to_b(send_wr(3, {}))));
    ASSERT_DONE(a->wait_send(), 3);
    ASSERT_DONE(b->wait_recv(), 101);
  }

  void TearDown() override {
    if (a && is_datagram()) a->drop_handles();
    if (b && is_datagram()) b->drop_handles();
    a.reset();
    b.reset();
    if (HasFailure())
      shared_peer().reset();
    else if (shared_peer() && shared_peer()->alive())
      shared_peer()->drop_end();
  }
};

TEST_P(ErrorTableTest, BothEndsSeeWhatTheSpecificationSays) {
  if (device_is_rxe() && *row.rxe_instead) GTEST_SKIP() << "rdma_rxe: " << row.rxe_instead;
  make_connected();
  if (HasFatalFailure()) return;
  send_one();
  if (HasFatalFailure()) return;
  provoke();
  if (HasFatalFailure()) return;
  expect_at_sender(wanted());
  if (row.no_receiver) return;
  if (wanted().sender_state == IBV_QPS_RTS && wanted().receiver == kStays) fence();
  expect_at_receiver(wanted());
  expect_what_stays(wanted());
}

INSTANTIATE_TEST_SUITE_P(All, ErrorTableTest, testing::ValuesIn(all_rows()), table_param_name);

}  // namespace
}  // namespace vt
