// SPDX-License-Identifier: BSD-2-Clause
// What a key for the whole address space (verbatim_reg_global_mr) costs beside an ordinary region: the same messages
// between two processes on a CPU each, with one and with the other, in short turns, so that both meet the same machine.
// Prints for each the median and the best of the rounds, and the ratios: the median of the rounds' ratios, and that of
// the best. Other work on the machine only ever adds: the ratio of the best is what counts where it is not quiet.
//
//     verbatim run --device vb_lo --provider shm -- verbatim_region_cost [--rounds 101] [--at-most 1.05]
//
// scripts/bench --regions does this.
#include <infiniband/verbs.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <verbatim/verbatim.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

constexpr uint32_t kMiB = 1 << 20;
constexpr int kDepth = 16;
constexpr unsigned kAccess = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ;

struct Test {
  const char* name;
  bool rdma;
  uint32_t size;
  int count;
};
constexpr Test kTests[] = {
    {"64 B send", false, 64, 3000},
    {"1 MiB send", false, kMiB, 32},
    {"64 B write", true, 64, 2000},
    {"1 MiB write", true, kMiB, 32},
};

void check(bool fine, const char* what) {
  if (fine) return;
  std::perror(what);
  std::exit(1);
}

struct Address {
  ibv_gid gid;
  uint32_t qpn;
  uint64_t buffer;
  uint32_t rkeys[2];
};

/// One process's side: a queue pair, memory, and both keys for it.
class Side {
 public:
  explicit Side(int fd) : fd_(fd), memory_(2 * kMiB) {
    ibv_device** list = ibv_get_device_list(nullptr);
    check(list && list[0] && (context_ = ibv_open_device(list[0])), "device");
    pd_ = ibv_alloc_pd(context_);
    cq_ = ibv_create_cq(context_, 4 * kDepth, nullptr, nullptr, 0);
    regions_[0] = ibv_reg_mr(pd_, memory_.data(), memory_.size(), kAccess);
    regions_[1] = verbatim_reg_global_mr(pd_, kAccess);
    check(regions_[0] && regions_[1], "regions");
    ibv_qp_init_attr init{};
    init.send_cq = init.recv_cq = cq_;
    init.cap = {2 * kDepth, 2 * kDepth, 1, 1, 0};
    init.qp_type = IBV_QPT_RC;
    check((qp_ = ibv_create_qp(pd_, &init)) != nullptr, "queue pair");
    connect();
  }

  /// One round: nanoseconds for each message. `asks`: this side sends first.
  double run(const Test& test, int kind, bool asks) {
    meet();
    const auto begin = std::chrono::steady_clock::now();
    if (test.rdma) {
      if (asks) write_many(test, kind);
    } else {
      exchange(test, kind, asks);
    }
    const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - begin;
    meet();
    return time.count() / test.count / (test.rdma ? 1 : 2);
  }

 private:
  void meet() {
    char byte = 0;
    check(write(fd_, &byte, 1) == 1 && read(fd_, &byte, 1) == 1, "other process");
  }

  void connect() {
    Address own{};
    ibv_query_gid(context_, 1, 1, &own.gid);
    own.qpn = qp_->qp_num;
    own.buffer = reinterpret_cast<uint64_t>(memory_.data());
    for (int kind : {0, 1}) own.rkeys[kind] = regions_[kind]->rkey;
    check(write(fd_, &own, sizeof own) == sizeof own && read(fd_, &peer_, sizeof peer_) == sizeof peer_, "addresses");
    ibv_qp_attr attr{};
    attr.qp_state = IBV_QPS_INIT, attr.port_num = 1, attr.qp_access_flags = kAccess;
    modify(attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);
    attr.qp_state = IBV_QPS_RTR, attr.path_mtu = IBV_MTU_4096, attr.dest_qp_num = peer_.qpn;
    attr.max_dest_rd_atomic = 16, attr.min_rnr_timer = 1;
    attr.ah_attr.is_global = 1, attr.ah_attr.port_num = 1, attr.ah_attr.grh.dgid = peer_.gid;
    attr.ah_attr.grh.sgid_index = 1, attr.ah_attr.grh.hop_limit = 64;
    modify(attr, IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                     IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER);
    attr.qp_state = IBV_QPS_RTS, attr.timeout = 14, attr.retry_cnt = attr.rnr_retry = 7, attr.max_rd_atomic = 16;
    modify(attr, IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
                     IBV_QP_MAX_QP_RD_ATOMIC);
  }
  void modify(ibv_qp_attr& attr, int mask) { check(ibv_modify_qp(qp_, &attr, mask) == 0, "ibv_modify_qp"); }

  ibv_sge sge(uint32_t size, int kind, uint64_t offset) {
    return {reinterpret_cast<uint64_t>(memory_.data()) + offset, size, regions_[kind]->lkey};
  }
  void post_receive(uint32_t size, int kind) {
    ibv_sge at = sge(size, kind, kMiB);
    ibv_recv_wr wr{0, nullptr, &at, 1}, *bad;
    check(ibv_post_recv(qp_, &wr, &bad) == 0, "ibv_post_recv");
  }
  void post_send(const Test& test, int kind) {
    ibv_sge at = sge(test.size, kind, 0);
    ibv_send_wr wr{}, *bad;
    wr.sg_list = &at, wr.num_sge = 1, wr.send_flags = IBV_SEND_SIGNALED;
    wr.opcode = test.rdma ? IBV_WR_RDMA_WRITE : IBV_WR_SEND;
    wr.wr.rdma.remote_addr = peer_.buffer + kMiB, wr.wr.rdma.rkey = peer_.rkeys[kind];
    check(ibv_post_send(qp_, &wr, &bad) == 0, "ibv_post_send");
  }
  /// Polls until so many of each have come. What comes early counts for the next call.
  void wait(int sends, int receives) {
    while (sends_ < sends || receives_ < receives) {
      ibv_wc wc[4];
      const int found = ibv_poll_cq(cq_, 4, wc);
      for (int i = 0; i < found; ++i) {
        check(wc[i].status == IBV_WC_SUCCESS, ibv_wc_status_str(wc[i].status));
        ++(wc[i].opcode & IBV_WC_RECV ? receives_ : sends_);
      }
    }
    sends_ -= sends, receives_ -= receives;
  }

  void exchange(const Test& test, int kind, bool asks) {
    post_receive(test.size, kind);
    for (int i = 0; i < test.count; ++i) {
      if (asks) post_send(test, kind);
      wait(asks ? 1 : 0, 1);
      if (i + 1 < test.count) post_receive(test.size, kind);
      if (!asks) post_send(test, kind), wait(1, 0);
    }
  }
  void write_many(const Test& test, int kind) {
    int posted = 0;
    for (; posted < kDepth; ++posted) post_send(test, kind);
    for (int done = 0; done < test.count; ++done) {
      wait(1, 0);
      if (posted < test.count) post_send(test, kind), ++posted;
    }
  }

  int fd_;
  std::vector<unsigned char> memory_;
  ibv_context* context_ = nullptr;
  ibv_pd* pd_ = nullptr;
  ibv_cq* cq_ = nullptr;
  ibv_mr* regions_[2] = {};
  ibv_qp* qp_ = nullptr;
  Address peer_{};
  int sends_ = 0, receives_ = 0;  ///< completions that nobody has waited for yet
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

/// Of what was measured one after the other. Machines change their speed, but seldom between the two.
double median_ratio(const std::vector<double> (&times)[2]) {
  std::vector<double> ratios;
  for (size_t i = 0; i < times[0].size(); ++i) ratios.push_back(times[1][i] / times[0][i]);
  return median(std::move(ratios));
}

double best(const std::vector<double>& values) { return *std::min_element(values.begin(), values.end()); }

/// Both kinds, `rounds` times: nanoseconds for each message.
void measure(Side& side, const Test& test, int rounds, bool asks, std::vector<double> (&times)[2]) {
  for (int kind : {0, 1}) side.run(test, kind, asks);  // to warm up
  for (int round = 0; round < rounds; ++round) {
    for (int turn : {0, 1}) {
      const int kind = (round + turn) % 2;
      times[kind].push_back(side.run(test, kind, asks));
    }
  }
}

/// One line of the table for each test. False: a ratio is larger than `at_most`.
bool report(Side& side, int rounds, double at_most, bool asks) {
  bool fine = true;
  if (asks)
    std::printf(
        "| us per message: | ordinary | global | ratio | best: ordinary | global | ratio |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
  for (const Test& test : kTests) {
    std::vector<double> times[2];
    measure(side, test, rounds, asks, times);
    const double middle[] = {median(times[0]), median(times[1])}, least[] = {best(times[0]), best(times[1])};
    const double ratio = median_ratio(times);
    fine &= std::min(ratio, least[1] / least[0]) <= at_most;
    if (!asks) continue;
    std::printf("| %s | %.2f | %.2f | %.3f | %.2f | %.2f | %.3f |\n", test.name, middle[0] / 1000, middle[1] / 1000,
                ratio, least[0] / 1000, least[1] / 1000, least[1] / least[0]);
    std::fflush(stdout);
  }
  return fine;
}

/// Each side has a CPU, where there are two.
void take_cpu(int number) {
  cpu_set_t all, one;
  check(sched_getaffinity(0, sizeof all, &all) == 0, "sched_getaffinity");
  if (CPU_COUNT(&all) < 2) return;
  int cpu = 0;
  while (!CPU_ISSET(cpu, &all) || number-- > 0) ++cpu;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  check(sched_setaffinity(0, sizeof one, &one) == 0, "sched_setaffinity");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"What a key for the whole address space costs beside an ordinary region"};
  int rounds = 101;
  double at_most = 0;
  app.add_option("--rounds", rounds, "of each measurement");
  app.add_option("--at-most", at_most, "fail when both ratios of a measurement are larger");
  CLI11_PARSE(app, argc, argv);
  int fds[2];
  check(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0, "socketpair");
  const pid_t child = fork();
  const bool asks = child != 0;
  if (!asks) prctl(PR_SET_PDEATHSIG, SIGKILL);
  close(fds[asks ? 0 : 1]);
  take_cpu(asks ? 0 : 1);
  Side side(fds[asks ? 1 : 0]);
  const bool fine = report(side, rounds, at_most > 0 ? at_most : 1e9, asks);
  if (!asks) return 0;
  waitpid(child, nullptr, 0);
  return fine ? 0 : 1;
}
