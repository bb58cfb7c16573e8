// SPDX-License-Identifier: BSD-2-Clause
// Erasure coding: encoding, decoding, updating, at once, later and by polling, and sending what was encoded.
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include "exp_support.h"
#include "support/pattern.h"

namespace vt {
namespace {

void dealloc_calc(ibv_exp_ec_calc* calc) { ibv_exp_dealloc_ec_calc(calc); }
struct CalcDeleter {
  void operator()(ibv_exp_ec_calc* calc) const { dealloc_calc(calc); }
};
using CalcPtr = std::unique_ptr<ibv_exp_ec_calc, CalcDeleter>;

// --- the arithmetic again, without tables
// -----------------------------------------------------------------------------

/// Field polynomials of jerasure and gf-complete, whose codes these calculations are documented to match.
unsigned polynomial(int w) { return w == 1 ? 0x3 : w == 2 ? 0x7 : w == 4 ? 0x13 : 0x11d; }

unsigned times(unsigned a, unsigned b, int w) {
  unsigned product = 0;
  for (int i = 0; i < w; ++i) product ^= (b >> i & 1) ? a << i : 0;
  for (int i = 2 * w; i >= w; --i) product ^= (product >> i & 1) ? polynomial(w) << (i - w) : 0;
  return product;
}

uint8_t times_byte(unsigned a, uint8_t byte, int w) {
  unsigned product = 0;
  for (int at = 0; at < 8; at += w) product |= times(a, byte >> at & ((1u << w) - 1), w) << at;
  return static_cast<uint8_t>(product);
}

unsigned inverse(unsigned a, int w) {
  for (unsigned candidate = 1; candidate < 1u << w; ++candidate) {
    if (times(a, candidate, w) == 1) return candidate;
  }
  return 0;
}

/// Inverts a square matrix by elimination. False: it has no inverse.
bool invert(std::vector<std::vector<unsigned>> left, std::vector<std::vector<unsigned>>& right, int w) {
  const size_t n = left.size();
  right.assign(n, std::vector<unsigned>(n));
  for (size_t i = 0; i < n; ++i) right[i][i] = 1;
  for (size_t column = 0; column < n; ++column) {
    size_t pivot = column;
    while (pivot < n && left[pivot][column] == 0) ++pivot;
    if (pivot == n) return false;
    std::swap(left[pivot], left[column]);
    std::swap(right[pivot], right[column]);
    const unsigned scale = inverse(left[column][column], w);
    for (size_t j = 0; j < n; ++j) {
      left[column][j] = times(scale, left[column][j], w);
      right[column][j] = times(scale, right[column][j], w);
    }
    for (size_t row = 0; row < n; ++row) {
      const unsigned factor = left[row][column];
      if (row == column || factor == 0) continue;
      for (size_t j = 0; j < n; ++j) {
        left[row][j] ^= times(factor, left[column][j], w);
        right[row][j] ^= times(factor, right[column][j], w);
      }
    }
  }
  return true;
}

// --- the fixture
// ------------------------------------------------------------------------------------------------------

struct Code {
  int k, m, w;
};

class EcTest : public ExpTest {
 protected:
  static constexpr size_t kBlock = 4096 * 2 + 100;  // more than one step, and no whole number of them
  Code code{};
  size_t block = kBlock;
  std::vector<uint8_t> matrix;  // k rows, m columns
  Bytes memory;                 // all data blocks, all code blocks
  MrPtr mr;
  std::vector<ibv_sge> data, codes;
  ibv_exp_ec_mem mem{};
  CalcPtr calc;

  /// A Cauchy matrix: every square part of it has an inverse. One row of ones where the field is too small for it.
  void make_matrix() {
    matrix.assign(static_cast<size_t>(code.k * code.m), 1);
    if (code.m == 1) return;
    for (int i = 0; i < code.k; ++i) {
      for (int j = 0; j < code.m; ++j)
        matrix[static_cast<size_t>(i * code.m + j)] =
            static_cast<uint8_t>(inverse(static_cast<unsigned>(j ^ (code.m + i)), code.w));
    }
  }
  ibv_exp_ec_calc_init_attr attr(bool polling = false) {
    ibv_exp_ec_calc_init_attr attr{};
    attr.comp_mask = IBV_EXP_EC_CALC_INIT_ATTR_RESERVED - 1;
    attr.max_inflight_calcs = 4;
    attr.k = code.k, attr.m = code.m, attr.w = code.w;
    attr.max_data_sge = code.k, attr.max_code_sge = code.m;
    attr.encode_matrix = matrix.data();
    attr.polling = polling;
    return attr;
  }
  void make(Code of, bool polling = false) {
    code = of;
    make_matrix();
    const auto blocks = static_cast<size_t>(code.k + code.m);
    memory = Bytes(blocks * block);
    fill_pattern(std::span(memory), 77);
    mr.reset(ibv_reg_mr(pd.get(), memory.data(), memory.size(), IBV_ACCESS_LOCAL_WRITE));
    ASSERT_NE(mr, nullptr);
    data.clear(), codes.clear();
    for (size_t i = 0; i < blocks; ++i)
      (i < static_cast<size_t>(code.k) ? data : codes).push_back(sge(i * block, block));
    mem = {data.data(), code.k, codes.data(), code.m, static_cast<int>(block)};
    ibv_exp_ec_calc_init_attr init = attr(polling);
    calc.reset(ibv_exp_alloc_ec_calc(pd.get(), &init));
    ASSERT_NE(calc, nullptr);
  }
  void TearDown() override {
    calc.reset();
    mr.reset();
  }
  ibv_sge sge(size_t offset, size_t size) {
    return {reinterpret_cast<uint64_t>(memory.data() + offset), static_cast<uint32_t>(size), mr->lkey};
  }
  uint8_t* block_at(int index) { return memory.data() + static_cast<size_t>(index) * block; }
  Bytes copy_of(int index) { return Bytes(block_at(index), block_at(index) + block); }
  unsigned element(int i, int j) { return matrix[static_cast<size_t>(i * code.m + j)]; }

  /// Code block j, as it should be.
  Bytes expected(int j) {
    Bytes sum(block);
    for (int i = 0; i < code.k; ++i) {
      for (size_t at = 0; at < block; ++at) sum[at] ^= times_byte(element(i, j), block_at(i)[at], code.w);
    }
    return sum;
  }
  void expect_encoded() {
    for (int j = 0; j < code.m; ++j) ASSERT_EQ(copy_of(code.k + j), expected(j)) << "code block " << j;
  }
  /// The matrix that leads from the first k survivors to what was erased: k rows, a column for each.
  std::vector<uint8_t> decode_matrix(const std::vector<uint8_t>& erasures) {
    std::vector<std::vector<unsigned>> rows, back;
    const auto k = static_cast<size_t>(code.k);
    for (int i = 0; i < code.k + code.m && rows.size() < k; ++i) {
      if (erasures[static_cast<size_t>(i)]) continue;
      rows.emplace_back(k);
      for (int d = 0; d < code.k; ++d)
        rows.back()[static_cast<size_t>(d)] = i < code.k ? (i == d) : element(d, i - code.k);
    }
    EXPECT_TRUE(invert(rows, back, code.w));
    std::vector<std::vector<unsigned>> columns;  // of each erased block, by survivor
    for (int i = 0; i < code.k + code.m; ++i) {
      if (!erasures[static_cast<size_t>(i)]) continue;
      columns.emplace_back(k);
      for (size_t s = 0; s < k; ++s) {
        if (i < code.k) columns.back()[s] = back[static_cast<size_t>(i)][s];
        for (int d = 0; i >= code.k && d < code.k; ++d)
          columns.back()[s] ^= times(element(d, i - code.k), back[static_cast<size_t>(d)][s], code.w);
      }
    }
    std::vector<uint8_t> result;
    for (size_t s = 0; s < k; ++s) {
      for (const auto& column : columns) result.push_back(static_cast<uint8_t>(column[s]));
    }
    return result;
  }
};

/// A completion that can be waited for.
struct Waited {
  ibv_exp_ec_comp comp{told, IBV_EXP_EC_CALC_FAIL};  // first: told() finds us by it
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  std::thread::id by;

  static void told(ibv_exp_ec_comp* comp) {
    auto& self = *reinterpret_cast<Waited*>(comp);
    std::lock_guard guard(self.mutex);
    self.done = true;
    self.by = std::this_thread::get_id();
    self.changed.notify_one();
  }
  bool wait() {
    std::unique_lock guard(mutex);
    return changed.wait_for(guard, std::chrono::seconds(20), [&] { return done; });
  }
};

constexpr Code kCodes[] = {{1, 1, 1}, {5, 1, 1}, {2, 2, 2}, {10, 4, 4}, {12, 3, 4}, {5, 2, 8}, {20, 4, 8}};

TEST_F(EcTest, TheDeviceSaysWhatItCan) {
  ibv_exp_device_attr attr{};
  attr.comp_mask = IBV_EXP_DEVICE_ATTR_EXP_CAP_FLAGS | IBV_EXP_DEVICE_ATTR_EC_CAPS | IBV_EXP_DEVICE_ATTR_EC_GF_BASE;
  ASSERT_EQ(ibv_exp_query_device(context.get(), &attr), 0);
  EXPECT_TRUE(attr.exp_device_cap_flags & IBV_EXP_DEVICE_EC_OFFLOAD);
  EXPECT_GE(attr.ec_caps.max_ec_data_vector_count, 16u);
  EXPECT_GE(attr.ec_caps.max_ec_calc_inflight_calcs, 1u);
  for (int w : {1, 2, 4, 8}) EXPECT_TRUE(attr.ec_w_mask & 1u << (w - 1)) << w;
}

TEST_F(EcTest, CodeBlocksAreTheMatrixTimesTheData) {
  for (const Code& each : kCodes) {
    SCOPED_TRACE(testing::Message() << each.k << "+" << each.m << " over 2^" << each.w);
    ASSERT_NO_FATAL_FAILURE(make(each));
    ASSERT_EQ(ibv_exp_ec_encode_sync(calc.get(), &mem), 0);
    ASSERT_NO_FATAL_FAILURE(expect_encoded());
  }
}

TEST_F(EcTest, WhatIsErasedComesBack) {
  std::mt19937 random(4);
  for (const Code& each : kCodes) {
    SCOPED_TRACE(testing::Message() << each.k << "+" << each.m << " over 2^" << each.w);
    ASSERT_NO_FATAL_FAILURE(make(each));
    ASSERT_EQ(ibv_exp_ec_encode_sync(calc.get(), &mem), 0);
    const Bytes whole = memory;
    for (int lost = 1; lost <= each.m; ++lost) {
      std::vector<uint8_t> erasures(static_cast<size_t>(each.k + each.m));
      std::fill(erasures.begin(), erasures.begin() + lost, uint8_t{1});
      std::shuffle(erasures.begin(), erasures.end(), random);
      for (int i = 0; i < each.k + each.m; ++i) {
        if (erasures[static_cast<size_t>(i)]) std::memset(block_at(i), 0xee, block);
      }
      std::vector<uint8_t> back = decode_matrix(erasures);
      ASSERT_EQ(ibv_exp_ec_decode_sync(calc.get(), &mem, erasures.data(), back.data()), 0);
      ASSERT_EQ(memory, whole) << lost << " lost";
    }
  }
}

TEST_F(EcTest, AnUpdateNeedsOnlyWhatChanged) {
  for (const Code& each : {Code{10, 4, 4}, Code{12, 3, 8}}) {
    ASSERT_NO_FATAL_FAILURE(make(each));
    ASSERT_EQ(ibv_exp_ec_encode_sync(calc.get(), &mem), 0);
    Bytes old = memory;  // holds what the blocks were
    MrPtr old_mr(ibv_reg_mr(pd.get(), old.data(), old.size(), 0));
    ASSERT_NE(old_mr, nullptr);
    std::vector<uint8_t> data_updates(static_cast<size_t>(each.k)), code_updates(static_cast<size_t>(each.m), 1);
    data_updates[3] = data_updates[7] = 1;
    code_updates[1] = 0;
    std::vector<ibv_sge> from, to;
    for (int j = 0; j < each.m; ++j) {
      if (code_updates[static_cast<size_t>(j)])
        from.push_back(codes[static_cast<size_t>(j)]), to.push_back(from.back());
    }
    for (int i : {3, 7}) {
      fill_pattern(std::span(block_at(i), block), static_cast<uint64_t>(i));
      from.push_back({reinterpret_cast<uint64_t>(old.data()) + static_cast<size_t>(i) * block,
                      static_cast<uint32_t>(block), old_mr->lkey});
      from.push_back(data[static_cast<size_t>(i)]);
    }
    const Bytes untouched = copy_of(each.k + 1);
    ibv_exp_ec_mem change{from.data(), static_cast<int>(from.size()), to.data(), static_cast<int>(to.size()),
                          static_cast<int>(block)};
    ASSERT_EQ(ibv_exp_ec_update_sync(calc.get(), &change, data_updates.data(), code_updates.data()), 0);
    EXPECT_EQ(copy_of(each.k + 1), untouched);
    for (int j = 0; j < each.m; ++j) {
      if (code_updates[static_cast<size_t>(j)]) {
        EXPECT_EQ(copy_of(each.k + j), expected(j)) << j;
      }
    }
    // The same again, to be told later: nothing has changed since, so the old blocks are the new ones.
    Waited waited;
    for (size_t i = to.size(); i < from.size(); i += 2) from[i] = from[i + 1];
    ASSERT_EQ(ibv_exp_ec_update_async(calc.get(), &change, data_updates.data(), code_updates.data(), &waited.comp), 0);
    ASSERT_TRUE(waited.wait());
    EXPECT_EQ(waited.comp.status, IBV_EXP_EC_CALC_SUCCESS);
    EXPECT_EQ(copy_of(each.k), expected(0));
  }
}

TEST_F(EcTest, SgesMayCutBlocksAnywhere) {
  ASSERT_NO_FATAL_FAILURE(make({4, 2, 8}));
  ibv_exp_ec_calc_init_attr init = attr();
  init.max_data_sge = 3;
  calc.reset(ibv_exp_alloc_ec_calc(pd.get(), &init));
  ASSERT_NE(calc, nullptr);
  data = {sge(0, 17), sge(17, 3 * block), sge(17 + 3 * block, block - 17)};
  codes = {sge(4 * block, 2 * block)};
  mem = {data.data(), 3, codes.data(), 1, static_cast<int>(block)};
  ASSERT_EQ(ibv_exp_ec_encode_sync(calc.get(), &mem), 0);
  ASSERT_NO_FATAL_FAILURE(expect_encoded());
}

TEST_F(EcTest, ACompletionTellsInAnotherThread) {
  ASSERT_NO_FATAL_FAILURE(make({10, 4, 4}));
  Waited encoded;
  ASSERT_EQ(ibv_exp_ec_encode_async(calc.get(), &mem, &encoded.comp), 0);
  ASSERT_TRUE(encoded.wait());
  EXPECT_EQ(encoded.comp.status, IBV_EXP_EC_CALC_SUCCESS);
  EXPECT_NE(encoded.by, std::this_thread::get_id()) << "a program may hold a lock that it takes in there";
  ASSERT_NO_FATAL_FAILURE(expect_encoded());
  const Bytes whole = memory;
  std::vector<uint8_t> erasures(14);
  erasures[0] = erasures[12] = 1;
  std::memset(block_at(0), 0, block);
  std::memset(block_at(12), 0, block);
  std::vector<uint8_t> back = decode_matrix(erasures);
  Waited decoded;
  ASSERT_EQ(ibv_exp_ec_decode_async(calc.get(), &mem, erasures.data(), back.data(), &decoded.comp), 0);
  ASSERT_TRUE(decoded.wait());
  EXPECT_EQ(memory, whole);
  EXPECT_EQ(ibv_exp_ec_poll(calc.get(), 1), 0) << "told already";
}

TEST_F(EcTest, APollingCalculatorTellsWhenItIsPolled) {
  ASSERT_NO_FATAL_FAILURE(make({5, 2, 8}, true));
  Waited waited[4];
  for (Waited& each : waited) ASSERT_EQ(ibv_exp_ec_encode_async(calc.get(), &mem, &each.comp), 0);
  EXPECT_EQ(ibv_exp_ec_encode_async(calc.get(), &mem, &waited[0].comp), EOVERFLOW) << "four are in flight";
  int polled = 0;
  for (Deadline deadline; polled < 4 && !deadline.expired();) {
    const int found = ibv_exp_ec_poll(calc.get(), 2);
    ASSERT_GE(found, 0);
    ASSERT_LE(found, 2);
    polled += found;
    int told = 0;
    for (Waited& each : waited) told += each.done;
    ASSERT_EQ(told, polled);
  }
  ASSERT_EQ(polled, 4);
  for (Waited& each : waited) EXPECT_EQ(each.by, std::this_thread::get_id());
  ASSERT_NO_FATAL_FAILURE(expect_encoded());
  EXPECT_EQ(ibv_exp_ec_encode_async(calc.get(), &mem, nullptr), 0) << "there is room again";
}

TEST_F(EcTest, ACalculatorGoesWhenItsWorkIsDone) {
  ASSERT_NO_FATAL_FAILURE(make({10, 4, 4}));
  Waited waited[4];
  for (Waited& each : waited) ASSERT_EQ(ibv_exp_ec_encode_async(calc.get(), &mem, &each.comp), 0);
  EXPECT_EQ(ibv_dealloc_pd(pd.get()), EBUSY);
  calc.reset();
  for (Waited& each : waited) EXPECT_TRUE(each.done);
  mr.reset();
  EXPECT_EQ(ibv_dealloc_pd(pd.release()), 0);
}

TEST_F(EcTest, WithoutAccessNothingIsCalculated) {
  ASSERT_NO_FATAL_FAILURE(make({4, 2, 4}));
  const Bytes before = memory;
  MrPtr read_only(ibv_reg_mr(pd.get(), memory.data(), memory.size(), 0));
  ASSERT_NE(read_only, nullptr);
  PdPtr other_pd(ibv_alloc_pd(context.get()));
  MrPtr other(ibv_reg_mr(other_pd.get(), memory.data(), memory.size(), IBV_ACCESS_LOCAL_WRITE));
  ASSERT_NE(other, nullptr);
  const auto fails = [&] {
    EXPECT_EQ(ibv_exp_ec_encode_sync(calc.get(), &mem), IBV_EXP_EC_CALC_FAIL);
    Waited waited;
    EXPECT_EQ(ibv_exp_ec_encode_async(calc.get(), &mem, &waited.comp), 0);
    EXPECT_TRUE(waited.wait());
    EXPECT_EQ(waited.comp.status, IBV_EXP_EC_CALC_FAIL);
    EXPECT_EQ(memory, before);
  };
  codes[1].lkey = read_only->lkey;
  fails();
  codes[1].lkey = mr->lkey;
  data[2].lkey = other->lkey;
  fails();
  data[2].lkey = mr->lkey;
  data[3].addr += memory.size();
  fails();
  data[3].addr -= memory.size();
  data[0].lkey = read_only->lkey;
  EXPECT_EQ(ibv_exp_ec_encode_sync(calc.get(), &mem), 0) << "data are only read";
}

TEST_F(EcTest, WhatDoesNotFitIsRefused) {
  ASSERT_NO_FATAL_FAILURE(make({4, 2, 4}));
  const auto refused = [&](auto change) {
    ibv_exp_ec_calc_init_attr init = attr();
    change(init);
    EXPECT_NULL_ERRNO(EINVAL, ibv_exp_alloc_ec_calc(pd.get(), &init));
  };
  refused([](auto& init) { init.k = 0; });
  refused([](auto& init) { init.k = 257; });
  refused([](auto& init) { init.m = 0; });
  refused([](auto& init) { init.w = 3; });
  refused([](auto& init) { init.max_data_sge = -1; });
  refused([](auto& init) { init.encode_matrix = nullptr; });
  refused([](auto& init) { init.comp_mask = IBV_EXP_EC_CALC_INIT_ATTR_RESERVED; });
  matrix[3] = 16;
  refused([](auto&) {});
  const auto bad = [&](auto change) {
    ibv_exp_ec_mem wrong = mem;
    change(wrong);
    EXPECT_EQ(ibv_exp_ec_encode_sync(calc.get(), &wrong), EINVAL);
    EXPECT_EQ(ibv_exp_ec_encode_async(calc.get(), &wrong, nullptr), EINVAL);
  };
  bad([](auto& wrong) { wrong.block_size = 0; });
  bad([](auto& wrong) { wrong.block_size -= 1; });
  bad([](auto& wrong) { wrong.num_data_sge = 3; });
  bad([](auto& wrong) { wrong.num_code_sge = -1; });
  std::vector<uint8_t> erasures = {1, 1, 1, 0, 0, 0}, back(12, 1);
  EXPECT_EQ(ibv_exp_ec_decode_sync(calc.get(), &mem, erasures.data(), back.data()), EINVAL) << "too few are left";
  erasures[0] = 0;
  back[0] = 16;
  EXPECT_EQ(ibv_exp_ec_decode_sync(calc.get(), &mem, erasures.data(), back.data()), EINVAL) << "no such element";
  EXPECT_EQ(ibv_exp_ec_decode_sync(calc.get(), &mem, erasures.data(), nullptr), EINVAL);
  std::vector<uint8_t> none(6);
  const Bytes before = memory;
  EXPECT_EQ(ibv_exp_ec_decode_sync(calc.get(), &mem, none.data(), nullptr), 0) << "nothing is missing";
  EXPECT_EQ(memory, before);
}

/// Two data blocks and a code block go to the peer, each as a message of the queue pair.
class EcSendTest : public ExpPairTest {};

TEST_F(EcSendTest, TheStripeIsSentAsItIsCalculated) {
  constexpr size_t kSize = 512;
  fill_pattern(std::span(buffer).first(2 * kSize), 5);
  uint8_t matrix[] = {1, 2};
  ibv_exp_ec_calc_init_attr init{};
  init.max_inflight_calcs = 1;
  init.k = 2, init.m = 1, init.w = 8, init.max_data_sge = 2, init.max_code_sge = 1;
  init.encode_matrix = matrix;
  CalcPtr calc(ibv_exp_alloc_ec_calc(pd.get(), &init));
  ASSERT_NE(calc, nullptr);
  ibv_sge sges[3];
  ibv_send_wr wrs[3]{};
  ibv_exp_ec_stripe stripes[3];
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_POSTED(peer->post_recv(recv_wr(i, {there.sge(i * kSize, kSize)})));
    sges[i] = sge(i * kSize, kSize);
    wrs[i].wr_id = 10 + i, wrs[i].sg_list = &sges[i], wrs[i].num_sge = 1;
    wrs[i].opcode = IBV_WR_SEND, wrs[i].send_flags = IBV_SEND_SIGNALED;
    stripes[i] = {qp.get(), &wrs[i]};
  }
  ibv_exp_ec_mem mem{sges, 2, sges + 2, 1, kSize};
  ASSERT_EQ(ibv_exp_ec_encode_send(calc.get(), &mem, stripes, stripes + 2), 0);
  auto wcs = wait_exp(cq.get(), 3);
  ASSERT_EQ(wcs.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(wcs[i].wr_id, 10 + i);
    EXPECT_EQ(wcs[i].status, IBV_WC_SUCCESS);
  }
  ASSERT_EQ(peer->wait_recv(3).size(), 3u);
  EXPECT_EQ(peer->mismatch(0, 2 * kSize, 5), -1);
  Bytes coded = peer->load(2 * kSize, kSize);
  for (size_t i = 0; i < kSize; ++i) ASSERT_EQ(coded[i], buffer[i] ^ times_byte(2, buffer[kSize + i], 8)) << i;
  mem.block_size = 100;
  EXPECT_EQ(ibv_exp_ec_encode_send(calc.get(), &mem, stripes, stripes + 2), EINVAL);
  ibv_exp_wc wc;
  EXPECT_EQ(ibv_exp_poll_cq(cq.get(), 1, &wc, sizeof wc), 0) << "nothing was sent";
}

}  // namespace
}  // namespace vt
