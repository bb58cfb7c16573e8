// SPDX-License-Identifier: BSD-2-Clause
// Keys that stand for pieces of regions (UMR): filling, what goes through them in both directions, and what does not.
#include "exp_support.h"
#include "support/pattern.h"

namespace vt {
namespace {

inline int free_list(ibv_exp_mkey_list_container* list) { return ibv_exp_dealloc_mkey_list_memory(list); }
using ListPtr = std::unique_ptr<ibv_exp_mkey_list_container, VerbsDeleter<free_list>>;

constexpr uint64_t kLocal = IBV_EXP_ACCESS_LOCAL_WRITE;
constexpr uint64_t kEverything =
    kLocal | IBV_EXP_ACCESS_REMOTE_WRITE | IBV_EXP_ACCESS_REMOTE_READ | IBV_EXP_ACCESS_REMOTE_ATOMIC;

class UmrTest : public ExpPairTest {
 protected:
  static constexpr size_t kSize = 1 << 20;
  static constexpr uint64_t kBase = 0x5000;  // by which a key's first byte is named
  Bytes memory = Bytes(kSize);
  MrPtr region, key;

  UmrTest() { peer_options.buffer = kSize; }
  void SetUp() override {
    ExpPairTest::SetUp();
    if (IsSkipped()) return;
    region.reset(ibv_reg_mr(pd.get(), memory.data(), kSize, IBV_ACCESS_LOCAL_WRITE));
    ASSERT_NE(region, nullptr);
    key = make_key(64);
    ASSERT_NE(key, nullptr);
  }
  void TearDown() override {
    key.reset();
    region.reset();
    ExpPairTest::TearDown();
  }
  MrPtr make_key(uint32_t pieces, uint32_t flags = IBV_EXP_MR_INDIRECT_KLMS) {
    ibv_exp_create_mr_in in{};
    in.pd = pd.get(), in.attr.max_klm_list_size = pieces, in.attr.create_flags = flags;
    in.attr.exp_access_flags = kLocal;
    return MrPtr(ibv_exp_create_mr(&in));
  }
  ibv_exp_mem_region piece(size_t offset, size_t length) {
    return {reinterpret_cast<uint64_t>(memory.data()) + offset, region.get(), length};
  }
  ibv_exp_send_wr fill_wr(std::vector<ibv_exp_mem_region>& pieces, uint64_t id = 1) {
    ibv_exp_send_wr wr = exp_wr(IBV_EXP_WR_UMR_FILL, id, nullptr);
    wr.exp_send_flags |= IBV_EXP_SEND_INLINE;
    auto& umr = wr.ext_op.umr;
    umr.umr_type = IBV_EXP_UMR_MR_LIST, umr.exp_access = kEverything, umr.modified_mr = key.get();
    umr.base_addr = kBase, umr.num_mrs = static_cast<uint32_t>(pieces.size());
    umr.mem_list.mem_reg_list = pieces.data();
    return wr;
  }
  void fill(std::vector<ibv_exp_mem_region> pieces) {
    ASSERT_EQ(post(fill_wr(pieces)), 0);
    auto wcs = wait_exp(cq.get());
    ASSERT_EXP_DONE(wcs, 1);
    EXPECT_EQ(wcs[0].exp_opcode, IBV_EXP_WC_UMR);
  }
  /// What the key is to be made of, and what it then reads as: pieces of odd sizes, out of order, of `total` bytes.
  std::vector<ibv_exp_mem_region> odd_pieces(size_t total) {
    const size_t third = total / 3;
    return {piece(500000, third), piece(7, 1), piece(100, total - third - 1)};
  }
  static size_t place_in_odd(size_t total, size_t at) {
    const size_t third = total / 3;
    return at < third ? 500000 + at : at == third ? 7 : 100 + at - third - 1;
  }
  void fill_through(size_t total, uint64_t seed) {
    Bytes pattern(total);
    fill_pattern(std::span(pattern), seed);
    for (size_t i = 0; i < total; ++i) memory[place_in_odd(total, i)] = pattern[i];
  }
  void expect_through(size_t total, uint64_t seed) {
    Bytes seen(total);
    for (size_t i = 0; i < total; ++i) seen[i] = memory[place_in_odd(total, i)];
    EXPECT_EQ(find_mismatch(std::span<const uint8_t>(seen), seed), -1);
  }
  ibv_sge by_key(uint64_t offset, uint32_t length) { return {kBase + offset, length, key->lkey}; }
  ibv_wc_status status_of(ibv_exp_wr_opcode opcode, ibv_sge at) {
    ibv_exp_send_wr wr = exp_wr(opcode, 5, &at);
    wr.wr.rdma.remote_addr = there.buffer, wr.wr.rdma.rkey = there.rkey;
    EXPECT_EQ(post(wr), 0);
    auto wcs = wait_exp(cq.get());
    return wcs.size() == 1 && wcs[0].wr_id == 5 ? wcs[0].status : IBV_WC_GENERAL_ERR;
  }
};

constexpr uint32_t kTotals[] = {1000, 300000};  // with the message, and moved by the fabric

TEST_F(UmrTest, TheDeviceSaysWhatItCan) {
  ibv_exp_device_attr attr{};
  attr.comp_mask = IBV_EXP_DEVICE_ATTR_EXP_CAP_FLAGS | IBV_EXP_DEVICE_ATTR_UMR;
  ASSERT_EQ(ibv_exp_query_device(context.get(), &attr), 0);
  EXPECT_TRUE(attr.exp_device_cap_flags & IBV_EXP_DEVICE_UMR);
  EXPECT_GE(attr.umr_caps.max_klm_list_size, 64u);
  EXPECT_GE(attr.umr_caps.max_send_wqe_inline_klms, 4u);
  EXPECT_EQ(attr.umr_caps.max_umr_stride_dimension, 1u);
  ibv_exp_mkey_attr mkey{};
  ASSERT_EQ(ibv_exp_query_mkey(key.get(), &mkey), 0);
  EXPECT_EQ(mkey.max_klm_list_size, 64u);
}

TEST_F(UmrTest, WhatIsSentComesFromAllPieces) {
  for (uint32_t total : kTotals) {
    ASSERT_NO_FATAL_FAILURE(fill(odd_pieces(total)));
    fill_through(total, total);
    EXPECT_EQ(status_of(IBV_EXP_WR_RDMA_WRITE, by_key(0, total)), IBV_WC_SUCCESS);
    EXPECT_EQ(peer->mismatch(0, total, total), -1);
    ASSERT_POSTED(peer->post_recv(recv_wr(1, {there.sge(300000, total)})));
    EXPECT_EQ(status_of(IBV_EXP_WR_SEND, by_key(0, total)), IBV_WC_SUCCESS);
    ASSERT_DONE(peer->wait_recv(), 1);
    EXPECT_EQ(peer->mismatch(300000, total, total), -1);
  }
}

TEST_F(UmrTest, WhatIsReadGoesToAllPieces) {
  for (uint32_t total : kTotals) {
    ASSERT_NO_FATAL_FAILURE(fill(odd_pieces(total)));
    peer->fill(0, total, total + 1);
    EXPECT_EQ(status_of(IBV_EXP_WR_RDMA_READ, by_key(0, total)), IBV_WC_SUCCESS);
    expect_through(total, total + 1);
  }
}

TEST_F(UmrTest, WhatIsReceivedGoesToAllPieces) {
  for (uint32_t total : kTotals) {
    ASSERT_NO_FATAL_FAILURE(fill(odd_pieces(total)));
    ibv_sge at = by_key(0, total);
    ibv_recv_wr wr{8, nullptr, &at, 1}, *bad;
    ASSERT_EQ(ibv_post_recv(qp.get(), &wr, &bad), 0);
    peer->fill(0, total, total + 2);
    ASSERT_POSTED(peer->post_send(send_wr(1, {there.sge(0, total)})));
    ASSERT_EXP_DONE(wait_exp(cq.get()), 8);
    ASSERT_DONE(peer->wait_send(), 1);
    expect_through(total, total + 2);
  }
}

TEST_F(UmrTest, APeerReachesAllPieces) {
  for (uint32_t total : kTotals) {
    ASSERT_NO_FATAL_FAILURE(fill(odd_pieces(total)));
    peer->fill(0, total, total + 3);
    ASSERT_POSTED(peer->post_send(write_wr(1, {there.sge(0, total)}, kBase, key->rkey)));
    ASSERT_DONE(peer->wait_send(), 1);
    expect_through(total, total + 3);
    fill_through(total, total + 4);
    ASSERT_POSTED(peer->post_send(read_wr(2, {there.sge(0, total)}, kBase, key->rkey)));
    ASSERT_DONE(peer->wait_send(), 2);
    EXPECT_EQ(peer->mismatch(0, total, total + 4), -1);
  }
}

TEST_F(UmrTest, ManyBehindEachOtherKeepTheirOrder) {
  constexpr uint32_t kTotal = 60000;
  ASSERT_NO_FATAL_FAILURE(fill(odd_pieces(kTotal)));
  for (uint64_t i = 0; i < 20; ++i) {
    ASSERT_POSTED(peer->post_send(write_wr(i, {there.sge(i * 1000, kTotal)}, kBase, key->rkey)));
  }
  for (int i = 0; i < 20; ++i) peer->fill(static_cast<uint64_t>(i) * 1000, 1000, 0);  // no matter what is seen of it
  ASSERT_EQ(peer->wait_send(20).size(), 20u);
  peer->fill(0, kTotal, 9);
  ASSERT_POSTED(peer->post_send(write_wr(20, {there.sge(0, kTotal)}, kBase, key->rkey)));
  ASSERT_POSTED(peer->post_send(read_wr(21, {there.sge(200000, kTotal)}, kBase, key->rkey)));
  ASSERT_EQ(peer->wait_send(2).size(), 2u);
  EXPECT_EQ(peer->mismatch(200000, kTotal, 9), -1);
}

/// A column of a matrix: the same few bytes of each row.
TEST_F(UmrTest, ABlockRepeatsAtItsStride) {
  constexpr size_t kRow = 1000, kRows = 500;
  size_t eight = 8, three = 3, row = kRow, double_row = 2 * kRow, rows = kRows;
  const auto start = reinterpret_cast<uint64_t>(memory.data());
  ibv_exp_mem_repeat_block blocks[] = {{start + 16, region.get(), &eight, &row},
                                       {start + 700, region.get(), &three, &double_row}};
  std::vector<ibv_exp_mem_region> none;
  ibv_exp_send_wr wr = fill_wr(none);
  wr.ext_op.umr.umr_type = IBV_EXP_UMR_REPEAT, wr.ext_op.umr.num_mrs = 2;
  wr.ext_op.umr.mem_list.rb = {blocks, &rows, 1};
  ASSERT_EQ(post(wr), 0);
  ASSERT_EXP_DONE(wait_exp(cq.get()), 1);
  constexpr uint32_t kTotal = kRows * 11;
  peer->fill(0, kTotal, 3);
  const Bytes sent = peer->load(0, kTotal);
  EXPECT_EQ(status_of(IBV_EXP_WR_RDMA_READ, by_key(0, kTotal)), IBV_WC_SUCCESS);
  for (size_t i = 0; i < kRows; ++i) {
    ASSERT_EQ(std::memcmp(&memory[i * kRow + 16], &sent[i * 11], 8), 0) << i;
    ASSERT_EQ(std::memcmp(&memory[i * 2 * kRow + 700], &sent[i * 11 + 8], 3), 0) << i;
  }
  EXPECT_EQ(status_of(IBV_EXP_WR_RDMA_WRITE, by_key(11 * 100 + 5, 11)), IBV_WC_SUCCESS) << "from the middle of a block";
  EXPECT_EQ(peer->load(0, 11), Bytes(sent.begin() + 1105, sent.begin() + 1116));
  wr.ext_op.umr.mem_list.rb.stride_dim = 2;
  EXPECT_EQ(post(wr), EINVAL);
}

TEST_F(UmrTest, AtomicsWorkInAPiece) {
  ASSERT_NO_FATAL_FAILURE(fill({piece(800, 8), piece(1600, 16)}));
  const auto add = [&](uint64_t offset) {
    EXPECT_EQ(peer->post_send(fetch_add_wr(1, {there.sge(0, 8)}, kBase + offset, key->rkey, 5)).rc, 0);
    return peer->wait_send();
  };
  ASSERT_DONE(add(0), 1);
  ASSERT_DONE(add(16), 1);
  EXPECT_EQ(memory[800], 5);
  EXPECT_EQ(memory[1608], 5);
}

TEST_F(UmrTest, AFillTakesPlaceInItsTurn) {
  std::vector<ibv_exp_mem_region> first = {piece(0, 100)}, second = {piece(5000, 100)};
  fill_pattern(std::span(memory).first(100), 1);
  fill_pattern(std::span(memory).subspan(5000, 100), 2);
  ibv_sge at = by_key(0, 100);
  ibv_exp_send_wr wrs[] = {fill_wr(first, 1), exp_wr(IBV_EXP_WR_RDMA_WRITE, 2, &at), exp_wr(IBV_EXP_WR_NOP, 3, nullptr),
                           fill_wr(second, 4), exp_wr(IBV_EXP_WR_RDMA_WRITE, 5, &at)};
  for (int i : {1, 4}) wrs[i].wr.rdma.rkey = there.rkey;
  wrs[1].wr.rdma.remote_addr = there.buffer, wrs[4].wr.rdma.remote_addr = there.buffer + 1000;
  for (int i = 0; i < 4; ++i) wrs[i].next = &wrs[i + 1];
  ibv_exp_send_wr* bad;
  ASSERT_EQ(ibv_exp_post_send(qp.get(), wrs, &bad), 0);
  auto wcs = wait_exp(cq.get(), 5);
  ASSERT_EQ(wcs.size(), 5u);
  for (uint64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(wcs[i].wr_id, i + 1);
    EXPECT_EQ(wcs[i].status, IBV_WC_SUCCESS);
  }
  EXPECT_EQ(peer->mismatch(0, 100, 1), -1);
  EXPECT_EQ(peer->mismatch(1000, 100, 2), -1);
}

TEST_F(UmrTest, ALongListNeedsMemoryOfTheProgram) {
  std::vector<ibv_exp_mem_region> pieces;
  for (size_t i = 0; i < 64; ++i) pieces.push_back(piece(i * 100, 50));
  ibv_exp_send_wr wr = fill_wr(pieces);
  wr.exp_send_flags &= ~uint64_t{IBV_EXP_SEND_INLINE};
  EXPECT_EQ(post(wr), EINVAL) << "none is given";
  ibv_exp_mkey_list_container_attr attr{};
  attr.pd = pd.get(), attr.mkey_list_type = IBV_EXP_MKEY_LIST_TYPE_INDIRECT_MR, attr.max_klm_list_size = 63;
  ListPtr small(ibv_exp_alloc_mkey_list_memory(&attr));
  ASSERT_NE(small, nullptr);
  wr.ext_op.umr.memory_objects = small.get();
  EXPECT_EQ(post(wr), EINVAL) << "too small";
  attr.max_klm_list_size = 64;
  ListPtr large(ibv_exp_alloc_mkey_list_memory(&attr));
  ASSERT_NE(large, nullptr);
  EXPECT_EQ(large->max_klm_list_size, 64u);
  wr.ext_op.umr.memory_objects = large.get();
  ASSERT_EQ(post(wr), 0);
  ASSERT_EXP_DONE(wait_exp(cq.get()), 1);
  peer->fill(0, 3200, 6);
  EXPECT_EQ(status_of(IBV_EXP_WR_RDMA_READ, by_key(0, 3200)), IBV_WC_SUCCESS);
  const Bytes sent = peer->load(0, 3200);
  for (size_t i = 0; i < 64; ++i) ASSERT_EQ(std::memcmp(&memory[i * 100], &sent[i * 50], 50), 0) << i;
  pieces.push_back(piece(7000, 1));
  attr.max_klm_list_size = 100;
  ListPtr larger(ibv_exp_alloc_mkey_list_memory(&attr));
  wr = fill_wr(pieces);
  wr.exp_send_flags &= ~uint64_t{IBV_EXP_SEND_INLINE};
  wr.ext_op.umr.memory_objects = larger.get();
  EXPECT_EQ(post(wr), EINVAL) << "more than the key may have";
}

TEST_F(UmrTest, WhatIsNotFilledGrantsNothing) {
  EXPECT_EQ(status_of(IBV_EXP_WR_RDMA_WRITE, by_key(0, 8)), IBV_WC_LOC_PROT_ERR);
}

TEST_F(UmrTest, WhatIsInvalidatedGrantsNothing) {
  ASSERT_NO_FATAL_FAILURE(fill({piece(0, 100)}));
  ibv_exp_send_wr wr = exp_wr(IBV_EXP_WR_UMR_INVALIDATE, 2, nullptr);
  wr.ext_op.umr.modified_mr = key.get();
  ASSERT_EQ(post(wr), 0);
  ASSERT_EXP_DONE(wait_exp(cq.get()), 2);
  ASSERT_POSTED(peer->post_send(write_wr(1, {there.sge(0, 8)}, kBase, key->rkey)));
  EXPECT_STATUS(peer->wait_send(), 1, IBV_WC_REM_ACCESS_ERR);
}

TEST_F(UmrTest, ItEndsWhereItsPiecesEnd) {
  ASSERT_NO_FATAL_FAILURE(fill({piece(0, 100), piece(1000, 28)}));
  EXPECT_EQ(status_of(IBV_EXP_WR_RDMA_WRITE, by_key(0, 128)), IBV_WC_SUCCESS);
  EXPECT_EQ(status_of(IBV_EXP_WR_RDMA_WRITE, by_key(0, 129)), IBV_WC_LOC_PROT_ERR);
}

TEST_F(UmrTest, APieceWhoseRegionIsGoneFails) {
  MrPtr other(ibv_reg_mr(pd.get(), memory.data(), 4096, IBV_ACCESS_LOCAL_WRITE));
  ASSERT_NE(other, nullptr);
  std::vector<ibv_exp_mem_region> pieces = {piece(0, 100), piece(2000, 100)};
  pieces[1].mr = other.get();
  ASSERT_NO_FATAL_FAILURE(fill(pieces));
  EXPECT_EQ(status_of(IBV_EXP_WR_RDMA_READ, by_key(0, 200)), IBV_WC_SUCCESS);
  other.reset();
  EXPECT_EQ(status_of(IBV_EXP_WR_RDMA_READ, by_key(0, 100)), IBV_WC_SUCCESS);
  EXPECT_EQ(status_of(IBV_EXP_WR_RDMA_WRITE, by_key(0, 200)), IBV_WC_LOC_PROT_ERR);
}

TEST_F(UmrTest, ItGrantsWhatItSays) {
  std::vector<ibv_exp_mem_region> pieces = {piece(0, 100)};
  ibv_exp_send_wr wr = fill_wr(pieces);
  wr.ext_op.umr.exp_access = kLocal | IBV_EXP_ACCESS_REMOTE_READ;
  ASSERT_EQ(post(wr), 0);
  ASSERT_EXP_DONE(wait_exp(cq.get()), 1);
  ASSERT_POSTED(peer->post_send(read_wr(1, {there.sge(0, 8)}, kBase, key->rkey)));
  ASSERT_DONE(peer->wait_send(), 1);
  ASSERT_POSTED(peer->post_send(write_wr(2, {there.sge(0, 8)}, kBase, key->rkey)));
  EXPECT_STATUS(peer->wait_send(), 2, IBV_WC_REM_ACCESS_ERR);
}

TEST_F(UmrTest, WhatDoesNotFitIsRefused) {
  EXPECT_NULL_ERRNO(EINVAL, make_key(0));
  EXPECT_NULL_ERRNO(EINVAL, make_key(1 << 20));
  EXPECT_NULL_ERRNO(EINVAL, make_key(4, 0));
  EXPECT_NULL_ERRNO(EOPNOTSUPP, make_key(4, IBV_EXP_MR_INDIRECT_KLMS | IBV_EXP_MR_SIGNATURE_EN));
  ibv_exp_mkey_attr mkey{};
  EXPECT_EQ(ibv_exp_query_mkey(region.get(), &mkey), EINVAL);
  std::vector<ibv_exp_mem_region> pieces = {piece(0, 100), piece(200, 50)};
  const auto refused = [&](auto change) {
    ibv_exp_send_wr wr = fill_wr(pieces);
    change(wr.ext_op.umr);
    EXPECT_EQ(post(wr), EINVAL);
  };
  refused([&](auto& umr) { umr.modified_mr = region.get(); });
  refused([](auto& umr) { umr.modified_mr = nullptr; });
  refused([](auto& umr) { umr.num_mrs = 0; });
  refused([](auto& umr) { umr.mem_list.mem_reg_list = nullptr; });
  refused([](auto& umr) { umr.umr_type = 17; });
  refused([](auto& umr) { umr.umr_type = IBV_EXP_UMR_MR_LIST_FIXED_SIZE; });
  refused([](auto& umr) { umr.base_addr = ~uint64_t{0}; });
  refused([](auto& umr) { umr.exp_access = IBV_EXP_ACCESS_REMOTE_WRITE; });
  pieces[1].mr = nullptr;
  refused([](auto&) {});
  pieces[1] = {0, region.get(), ~size_t{0}};
  refused([](auto&) {});
  ibv_mr* changed =
      ibv_rereg_mr(key.get(), IBV_REREG_MR_CHANGE_ACCESS, nullptr, nullptr, 0, IBV_ACCESS_LOCAL_WRITE) == 0 ? key.get()
                                                                                                            : nullptr;
  EXPECT_EQ(changed, nullptr);
}

TEST_F(UmrTest, AKeyMadeOfKeysIsRefusedWhenItIsUsed) {
  MrPtr outer = make_key(4);
  ASSERT_NO_FATAL_FAILURE(fill({piece(0, 100)}));
  std::vector<ibv_exp_mem_region> nested = {{kBase, key.get(), 100}};
  ibv_exp_send_wr wr = fill_wr(nested);
  wr.ext_op.umr.modified_mr = outer.get();
  ASSERT_EQ(post(wr), 0);
  ASSERT_EXP_DONE(wait_exp(cq.get()), 1);
  EXPECT_EQ(status_of(IBV_EXP_WR_RDMA_WRITE, {kBase, 8, outer->lkey}), IBV_WC_LOC_PROT_ERR);
}

}  // namespace
}  // namespace vt
