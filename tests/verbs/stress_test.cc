// SPDX-License-Identifier: BSD-2-Clause
// A random mix of all RC operations, checked byte for byte and in order. VERBATIM_TEST_SEED repeats a run,
// VERBATIM_TEST_ITERATIONS sets the number of batches (default: as many as fit in eight seconds, at most 200).
#include <cstdlib>
#include <random>

#include "support/pair.h"

namespace vt {
namespace {

constexpr uint64_t kMiB = 1 << 20, kBuffer = 24 * kMiB, kLargest = 8 * kMiB;

uint64_t number_from(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text && *text ? std::strtoull(text, nullptr, 0) : otherwise;
}

// One operation: what was asked, and where its bytes come from and go to.
struct Op {
  SendWr request;
  uint64_t seed, size, near, far;  // offsets in the requester's and the responder's buffer
  bool fetches = false, takes_receive = false, atomic = false;
};

class StressTest : public PairTest {
 protected:
  StressTest() {
    options.buffer = kBuffer;
    link.min_rnr_timer = 1;
  }

  std::mt19937_64 random{number_from("VERBATIM_TEST_SEED", 20240229)};
  uint64_t next_seed = 1, near_used = 0, far_used = 0;
  Side* from = nullptr;
  Side* to = nullptr;
  Address at_from, at_to;

  uint64_t below(uint64_t bound) { return random() % bound; }

  // Every magnitude is as likely as the next, 8 MiB included.
  uint64_t random_size() {
    uint64_t magnitude = below(25);
    if (magnitude == 0) return 0;
    uint64_t top = uint64_t{1} << (magnitude - 1);
    return below(4) == 0 ? top : std::min(kLargest, top + below(top));
  }

  Sges split(const Address& at, uint64_t offset, uint64_t size) {
    Sges sges;
    uint64_t left = size;
    for (uint64_t parts = 1 + below(options.max_sge); parts > 1; --parts) {
      uint64_t piece = below(left + 1);
      sges.push_back(at.sge(offset + size - left, piece));
      left -= piece;
    }
    if (left || below(2)) sges.push_back(at.sge(offset + size - left, left));
    return sges;
  }

  SendWr make_request(uint64_t kind, const Op& op, uint64_t id) {
    Sges sges = split(at_from, op.near, op.size);
    unsigned flags = below(2) ? kSignaled : 0u;
    uint64_t far = at_to.buffer + op.far;
    auto imm = static_cast<uint32_t>(op.seed);
    switch (kind) {
      case 0: return send_wr(id, sges, flags);
      case 1: return send_imm_wr(id, sges, imm, flags);
      case 2: return write_wr(id, sges, far, at_to.rkey, flags);
      case 3: return write_imm_wr(id, sges, far, at_to.rkey, imm, flags);
      case 4: return read_wr(id, sges, far, at_to.rkey, flags);
      case 5: return atomic_wr(IBV_WR_ATOMIC_FETCH_AND_ADD, id, sges, far, at_to.rkey, op.seed, 0, flags);
      default: return atomic_wr(IBV_WR_ATOMIC_CMP_AND_SWP, id, sges, far, at_to.rkey, 0, op.seed, flags);
    }
  }

  // False: the buffers of this batch are used up.
  bool add_op(std::vector<Op>& ops) {
    uint64_t kind = below(7);
    Op op{.request = {}, .seed = next_seed++, .size = kind >= 5 ? 8 : random_size(), .near = 0, .far = 0};
    op.atomic = kind >= 5;
    op.fetches = kind >= 4;
    op.takes_receive = kind <= 1 || kind == 3;
    op.near = near_used + below(64);
    op.far = (far_used + 7) / 8 * 8 + (op.atomic ? 0 : below(64));
    if (op.near + op.size > kBuffer || op.far + op.size > kBuffer) return false;
    near_used = op.near + op.size;
    far_used = op.far + op.size;
    op.request = make_request(kind, op, ops.size());
    ops.push_back(op);
    return true;
  }

  void fill_sources(const std::vector<Op>& ops) {
    for (const Op& op : ops) (op.fetches ? to : from)->fill(op.fetches ? op.far : op.near, op.size, op.seed);
  }

  void post(std::vector<Op>& ops) {
    ops.back().request.wr.send_flags |= IBV_SEND_SIGNALED;
    std::vector<RecvWr> receives;
    std::vector<SendWr> sends;
    for (const Op& op : ops) {
      sends.push_back(op.request);
      if (!op.takes_receive) continue;
      bool with_data = op.request.wr.opcode != IBV_WR_RDMA_WRITE_WITH_IMM;
      receives.push_back(recv_wr(op.request.wr.wr_id, with_data ? split(at_to, op.far, op.size) : Sges{}));
    }
    if (!receives.empty()) {
      ASSERT_POSTED(to->post_recv(receives));
    }
    ASSERT_POSTED(from->post_send(sends));
  }

  void check_sends(const std::vector<Op>& ops) {
    std::vector<uint64_t> signaled;
    for (const Op& op : ops)
      if (op.request.wr.send_flags & IBV_SEND_SIGNALED) signaled.push_back(op.request.wr.wr_id);
    ASSERT_TRUE(completed_all(from->wait_send(static_cast<int>(signaled.size())), signaled, IBV_WC_SUCCESS));
  }

  void check_receives(const std::vector<Op>& ops) {
    std::vector<const Op*> takers;
    for (const Op& op : ops)
      if (op.takes_receive) takers.push_back(&op);
    auto wcs = to->wait_recv(static_cast<int>(takers.size()));
    ASSERT_EQ(wcs.size(), takers.size());
    for (size_t i = 0; i < wcs.size(); ++i) check_receive(wcs[i], *takers[i]);
  }

  void check_receive(const ibv_wc& wc, const Op& op) {
    ibv_wr_opcode opcode = op.request.wr.opcode;
    ASSERT_DONE({wc}, op.request.wr.wr_id);
    ASSERT_EQ(wc.byte_len, op.size);
    ASSERT_EQ(wc.opcode, opcode == IBV_WR_RDMA_WRITE_WITH_IMM ? IBV_WC_RECV_RDMA_WITH_IMM : IBV_WC_RECV);
    bool with_imm = opcode == IBV_WR_SEND_WITH_IMM || opcode == IBV_WR_RDMA_WRITE_WITH_IMM;
    ASSERT_EQ((wc.wc_flags & IBV_WC_WITH_IMM) != 0, with_imm);
    if (with_imm) {
      ASSERT_EQ(wc.imm_data, static_cast<uint32_t>(op.seed));
    }
  }

  void check_data(const std::vector<Op>& ops) {
    for (const Op& op : ops) {
      Side& target = op.fetches ? *from : *to;
      ASSERT_EQ(target.mismatch(op.fetches ? op.near : op.far, op.size, op.seed), -1)
          << "opcode " << op.request.wr.opcode << " size " << op.size << " seed " << op.seed;
    }
  }

  void run_batch() {
    bool forward = below(2);
    from = forward ? &a() : &b(), to = forward ? &b() : &a();
    at_from = from->address(), at_to = to->address();
    near_used = far_used = 0;
    std::vector<Op> ops;
    for (uint64_t wanted = 1 + below(24); ops.size() < wanted && add_op(ops);) {
    }
    if (ops.empty()) return;
    fill_sources(ops);
    post(ops);
    if (!HasFatalFailure()) check_sends(ops);
    if (!HasFatalFailure()) check_receives(ops);
    if (!HasFatalFailure()) check_data(ops);
  }
};

TEST_P(StressTest, EveryByteOfARandomMixArrivesInOrder) {
  uint64_t seed = number_from("VERBATIM_TEST_SEED", 20240229);
  uint64_t wanted = number_from("VERBATIM_TEST_ITERATIONS", 0);
  RecordProperty("seed", std::to_string(seed));
  std::printf("VERBATIM_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  make_connected();
  Deadline limit(std::chrono::seconds(8));
  for (uint64_t i = 0; wanted ? i < wanted : i < 200 && !limit.expired(); ++i) {
    run_batch();
    ASSERT_FALSE(HasFatalFailure()) << "in batch " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Both, StressTest, kRc, param_name);

}  // namespace
}  // namespace vt
