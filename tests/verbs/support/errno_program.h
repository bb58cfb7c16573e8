// SPDX-License-Identifier: BSD-2-Clause
// Calls that fail because of what a program asks for, as rows of a table: errno_test.cc, errno_objects_test.cc.
#pragma once

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "support/device.h"
#include "support/end.h"
#include "support/fixture.h"

namespace vt {

// One process's objects, and calls that fail. Every function gives a positive errno, or 0 for a success.
struct Program {
  End end{EndOptions{.max_send_wr = 8, .max_recv_wr = 8}};
  ibv_context* context = end.context();
  ibv_pd* pd = end.pd();
  ibv_qp* qp = end.qp(0);  // in RESET
  ibv_device_attr limits{};
  char memory[4096];

  Program() { ibv_query_device(context, &limits); }

  // NULL and errno: errno is set before, so that one which is left alone shows.
  template <class Make, class Destroy>
  static int made(Make make, Destroy destroy) {
    errno = -1;
    auto* object = make();
    if (!object) return errno;
    destroy(object);
    return 0;
  }
  static int minus_one(int result) { return result == -1 ? errno : result; }

  int create_cq(int cqe, int vector = 0) {
    return made([&] { return ibv_create_cq(context, cqe, nullptr, nullptr, vector); }, ibv_destroy_cq);
  }
  int create_qp(ibv_qp_cap cap, ibv_qp_type type = IBV_QPT_RC) {
    ibv_qp_init_attr attr{};
    attr.send_cq = end.send_cq();
    attr.recv_cq = end.recv_cq();
    attr.cap = cap;
    attr.qp_type = type;
    return made([&] { return ibv_create_qp(pd, &attr); }, ibv_destroy_qp);
  }
  int create_srq(uint32_t wr, uint32_t sge) {
    ibv_srq_init_attr attr{.srq_context = nullptr, .attr = {wr, sge, 0}};
    return made([&] { return ibv_create_srq(pd, &attr); }, ibv_destroy_srq);
  }
  int reg_mr(void* address, size_t length, int access) {
    return made([&] { return ibv_reg_mr(pd, address, length, access); }, ibv_dereg_mr);
  }
  int reg_dmabuf_mr(int fd, int access) {
    return made([&] { return ibv_reg_dmabuf_mr(pd, 0, 4096, 0, fd, access); }, ibv_dereg_mr);
  }
  int modify(ibv_qp_attr attr, int mask) { return ibv_modify_qp(qp, &attr, mask); }
  int to_init() { return end.to_init({}, 0); }
  int to_rts() {
    const Address self = end.address(0);
    return end.connect(self, {}, 0);
  }
  int post_sends(int count, int sges = 0) {
    return end.post_send(std::vector(static_cast<size_t>(count), send_wr(1, Sges(static_cast<size_t>(sges)))), 0).rc;
  }
  int post_recvs(int count, int sges = 0) {
    return end.post_recv(std::vector(static_cast<size_t>(count), recv_wr(1, Sges(static_cast<size_t>(sges)))), 0).rc;
  }
};

constexpr int kAsWanted = -2;
constexpr int kLeftAlone = -1;  // errno, though the call fails

struct ErrnoRow {
  const char* name;  // the verb, and what is wrong
  int (*call)(Program& program);
  int wanted;
  int rxe = kAsWanted;  // what rdma_rxe gives instead
};

// Runs rows: each table's file instantiates it.
class ErrnoTest : public VerbsTest, public testing::WithParamInterface<ErrnoRow> {};

inline void PrintTo(const ErrnoRow& row, std::ostream* out) { *out << row.name; }

inline std::string errno_row_name(const testing::TestParamInfo<ErrnoRow>& info) { return info.param.name; }

}  // namespace vt
