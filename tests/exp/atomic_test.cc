// SPDX-License-Identifier: BSD-2-Clause
// Masked atomics, against a model that goes bit by bit.
#include <random>

#include "exp_support.h"

namespace vt {
namespace {

/// As the manual of the era has it: a carry into the next bit, unless this one is the highest of a field.
uint64_t model_add(uint64_t value, uint64_t add, uint64_t boundary, int bits) {
  uint64_t sum = 0;
  bool carry = false;
  for (int i = 0; i < bits; ++i) {
    const uint64_t bit = uint64_t{1} << i;
    const int ones = carry + ((value & bit) != 0) + ((add & bit) != 0);
    if (ones & 1) sum |= bit;
    carry = ones > 1 && !(boundary & bit);
  }
  return sum;
}

uint64_t model_swap(uint64_t value, const ibv_exp_cmp_swap& op) {
  uint64_t result = value;
  for (int i = 0; i < 64; ++i) {
    const uint64_t bit = uint64_t{1} << i;
    if ((op.compare_mask & bit) && ((value ^ op.compare_val) & bit)) return value;
    if (op.swap_mask & bit) result = (result & ~bit) | (op.swap_val & bit);
  }
  return result;
}

class MaskedAtomicTest : public ExpPairTest {
 protected:
  ibv_exp_send_wr masked(ibv_exp_wr_opcode opcode, ibv_sge* at, uint64_t offset, uint32_t log_size) {
    ibv_exp_send_wr wr = exp_wr(opcode, 7, at);
    wr.exp_send_flags |= IBV_EXP_SEND_EXT_ATOMIC_INLINE;
    wr.ext_op.masked_atomics.log_arg_sz = log_size;
    wr.ext_op.masked_atomics.remote_addr = there.buffer + offset;
    wr.ext_op.masked_atomics.rkey = there.rkey;
    return wr;
  }
  ibv_exp_send_wr fetch_add(ibv_sge* at, uint64_t offset, uint32_t log_size, uint64_t add, uint64_t boundary) {
    ibv_exp_send_wr wr = masked(IBV_EXP_WR_EXT_MASKED_ATOMIC_FETCH_AND_ADD, at, offset, log_size);
    wr.ext_op.masked_atomics.wr_data.inline_data.op.fetch_add = {add, boundary};
    return wr;
  }
  ibv_exp_send_wr cmp_swap(ibv_sge* at, uint64_t offset, uint32_t log_size, const ibv_exp_cmp_swap& op) {
    ibv_exp_send_wr wr = masked(IBV_EXP_WR_EXT_MASKED_ATOMIC_CMP_AND_SWP, at, offset, log_size);
    wr.ext_op.masked_atomics.wr_data.inline_data.op.cmp_swap = op;
    return wr;
  }
  std::mt19937_64 random{20191};
};

TEST_F(MaskedAtomicTest, FetchAndAddKeepsCarriesInTheirFields) {
  ibv_sge at = sge(0, 8);
  for (int i = 0; i < 50; ++i) {
    const uint64_t before = random(), add = random(), boundary = i % 5 ? random() & random() : 0;
    set_remote(64, before);
    ASSERT_EQ(post(fetch_add(&at, 64, 3, add, boundary)), 0);
    auto wcs = wait_exp(cq.get());
    ASSERT_EXP_DONE(wcs, 7);
    EXPECT_EQ(wcs[0].exp_opcode, IBV_EXP_WC_MASKED_FETCH_ADD);
    EXPECT_EQ(wcs[0].byte_len, 8u);
    ASSERT_EQ(local<uint64_t>(0), before);
    ASSERT_EQ(remote<uint64_t>(64), model_add(before, add, boundary, 64)) << std::hex << before << " " << add;
  }
}

TEST_F(MaskedAtomicTest, CompareAndSwapLooksAtItsMasks) {
  ibv_sge at = sge(0, 8);
  int exchanged = 0;
  for (int i = 0; i < 50; ++i) {
    const uint64_t before = random(), compare_mask = random() & random();
    const ibv_exp_cmp_swap op{compare_mask, i % 2 ? before | ~compare_mask : random(), random(), random()};
    set_remote(64, before);
    ASSERT_EQ(post(cmp_swap(&at, 64, 3, op)), 0);
    auto wcs = wait_exp(cq.get());
    ASSERT_EXP_DONE(wcs, 7);
    EXPECT_EQ(wcs[0].exp_opcode, IBV_EXP_WC_MASKED_COMP_SWAP);
    ASSERT_EQ(local<uint64_t>(0), before);
    const uint64_t after = model_swap(before, op);
    ASSERT_EQ(remote<uint64_t>(64), after);
    exchanged += after != before;
  }
  EXPECT_GE(exchanged, 20);
}

TEST_F(MaskedAtomicTest, FourBytesLeaveTheirNeighboursAlone) {
  ibv_sge at = sge(0, 4);
  buffer[4] = 0xab;
  set_remote<uint64_t>(64, 0xffffffff'11111111);
  ASSERT_EQ(post(fetch_add(&at, 68, 2, 1, 0)), 0);
  ASSERT_EXP_DONE(wait_exp(cq.get()), 7);
  EXPECT_EQ(local<uint32_t>(0), 0xffffffff);
  EXPECT_EQ(buffer[4], 0xab);
  EXPECT_EQ(remote<uint64_t>(64), 0x00000000'11111111u);
  ASSERT_EQ(post(cmp_swap(&at, 64, 2, {0xffff, 0x1111, 0x2222, 0xff00})), 0);
  ASSERT_EXP_DONE(wait_exp(cq.get()), 7);
  EXPECT_EQ(local<uint32_t>(0), 0x11111111u);
  EXPECT_EQ(remote<uint64_t>(64), 0x00000000'11112211u);
}

TEST_F(MaskedAtomicTest, ALongQueueOfThemAddsUp) {
  set_remote<uint64_t>(64, 0);
  ibv_sge at = sge(0, 8);
  std::vector<ibv_exp_send_wr> chain(60, fetch_add(&at, 64, 3, 0x1'00000001, 0x80000000));
  for (size_t i = 0; i + 1 < chain.size(); ++i) chain[i].next = &chain[i + 1], chain[i].exp_send_flags &= ~2ull;
  ibv_exp_send_wr* bad = nullptr;
  ASSERT_EQ(ibv_exp_post_send(qp.get(), chain.data(), &bad), 0);
  ASSERT_EXP_DONE(wait_exp(cq.get()), 7);
  EXPECT_EQ(remote<uint64_t>(64), 60 * 0x1'00000001u);
}

TEST_F(MaskedAtomicTest, WhatDoesNotFitIsNotPosted) {
  ibv_sge at = sge(0, 8);
  ibv_exp_send_wr wr = fetch_add(&at, 64, 3, 1, 0), *bad = nullptr;
  wr.exp_send_flags = IBV_EXP_SEND_SIGNALED;  // operands elsewhere
  EXPECT_EQ(post(wr, &bad), EINVAL);
  EXPECT_NE(bad, nullptr);
  for (uint32_t log_size : {0u, 1u, 4u, 32u}) EXPECT_EQ(post(fetch_add(&at, 64, log_size, 1, 0)), EINVAL) << log_size;
  EXPECT_EQ(post(fetch_add(&at, 64, 3, 1, 0)), 0) << "the queue pair is as it was";
  ASSERT_EXP_DONE(wait_exp(cq.get()), 7);
}

TEST_F(MaskedAtomicTest, APlainQueuePairTakesNone) {
  ibv_exp_qp_init_attr attr = qp_attr(cq.get());
  attr.comp_mask = IBV_EXP_QP_INIT_ATTR_PD;
  qp.reset(ibv_exp_create_qp(context.get(), &attr));
  ASSERT_NE(qp, nullptr);
  peer = std::make_unique<Side>(running_peer(), EndOptions{});
  there = peer->address();
  connect();
  ibv_sge at = sge(0, 8);
  EXPECT_EQ(post(fetch_add(&at, 64, 3, 1, 0)), EINVAL);
}

TEST_F(MaskedAtomicTest, AWrongKeyIsARemoteAccessError) {
  ibv_sge at = sge(0, 8);
  ibv_exp_send_wr wr = fetch_add(&at, 64, 3, 1, 0);
  wr.ext_op.masked_atomics.rkey ^= 0x5500;
  ASSERT_EQ(post(wr), 0);
  auto wcs = wait_exp(cq.get());
  ASSERT_EQ(wcs.size(), 1u);
  EXPECT_EQ(wcs[0].status, IBV_WC_REM_ACCESS_ERR);
}

TEST_F(MaskedAtomicTest, ATargetThatIsNotAlignedIsAnInvalidRequest) {
  ibv_sge at = sge(0, 8);
  ASSERT_EQ(post(fetch_add(&at, 68, 3, 1, 0)), 0);
  auto wcs = wait_exp(cq.get());
  ASSERT_EQ(wcs.size(), 1u);
  EXPECT_EQ(wcs[0].status, IBV_WC_REM_INV_REQ_ERR);
}

TEST_F(MaskedAtomicTest, AWrongLengthIsALocalError) {
  ibv_sge at = sge(0, 4);
  ASSERT_EQ(post(fetch_add(&at, 64, 3, 1, 0)), 0);
  auto wcs = wait_exp(cq.get());
  ASSERT_EQ(wcs.size(), 1u);
  EXPECT_EQ(wcs[0].status, IBV_WC_LOC_LEN_ERR);
}

}  // namespace
}  // namespace vt
