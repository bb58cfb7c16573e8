// SPDX-License-Identifier: BSD-2-Clause
// One of the processes of all_to_all.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "all_to_all.h"

namespace {

constexpr char kReady = 'r';
constexpr int kOperations = 4;  // per peer and step: receive, send, write, read
constexpr uint64_t kReceiveId = uint64_t{1} << 32;

enum class Kind : uint64_t { kSend = 1, kWrite, kRead };

/// The content of one message: depends on who sends it, to whom, how and when, so that nothing can be mistaken.
void fill(char* out, uint32_t size, int from, int to, Kind kind, uint64_t step) {
  uint64_t state = (static_cast<uint64_t>(from) << 48) ^ (static_cast<uint64_t>(to) << 32) ^ (step << 8) ^
                   static_cast<uint64_t>(kind);
  for (uint32_t at = 0; at < size; at += sizeof(state)) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const uint64_t word = state ^ (state >> 29);
    std::memcpy(out + at, &word, std::min<size_t>(sizeof(word), size - at));
  }
}

/// The memory of one connection, cut from the process's single region.
struct Buffers {
  char* send;
  char* receive;
  char* written;  ///< the peer's WRITE lands here
  char* write;    ///< source of our WRITE
  char* offered;  ///< the peer READs this
  char* read;     ///< our READ lands here
};
constexpr size_t kAreas = 6;

struct Close {
  void operator()(ibv_context* object) const { ibv_close_device(object); }
  void operator()(ibv_pd* object) const { ibv_dealloc_pd(object); }
  void operator()(ibv_cq* object) const { ibv_destroy_cq(object); }
  void operator()(ibv_comp_channel* object) const { ibv_destroy_comp_channel(object); }
  void operator()(ibv_mr* object) const { ibv_dereg_mr(object); }
  void operator()(ibv_qp* object) const { ibv_destroy_qp(object); }
};
template <class T>
using Owned = std::unique_ptr<T, Close>;

class Worker {
 public:
  Worker(int fd, int rank, const Parameters& parameters);
  void run();

 private:
  void open();
  void allocate();
  void make_queue_pairs();
  void connect(size_t peer, const Endpoint& remote);
  void exchange();
  void step(uint32_t size, uint64_t number);
  void prepare(uint32_t size, uint64_t number);
  void post(uint32_t size, size_t peer);
  void post_one(size_t peer, ibv_wr_opcode opcode, char* local, uint32_t size, uint64_t remote);
  void complete(size_t count);
  void wait_for_event();
  void check(uint32_t size, uint64_t number);
  void expect(const char* found, uint32_t size, int from, int to, Kind kind, uint64_t number);
  void barrier();
  Buffers buffers(size_t peer);
  size_t peers() const { return static_cast<size_t>(parameters_.processes); }
  bool self(size_t peer) const { return peer == static_cast<size_t>(rank_); }

  int fd_;
  int rank_;
  const Parameters& parameters_;
  uint32_t largest_;
  std::vector<char> memory_, scratch_;
  union ibv_gid gid_ {};
  Owned<ibv_context> context_;
  Owned<ibv_pd> pd_;
  Owned<ibv_comp_channel> channel_;
  Owned<ibv_cq> cq_;
  Owned<ibv_mr> mr_;
  std::vector<Owned<ibv_qp>> qps_;
  std::vector<Endpoint> remote_;
};

Worker::Worker(int fd, int rank, const Parameters& parameters) : fd_(fd), rank_(rank), parameters_(parameters) {
  largest_ = *std::max_element(parameters.sizes.begin(), parameters.sizes.end());
  scratch_.resize(largest_);
}

void Worker::open() {
  ibv_device** list = ibv_get_device_list(nullptr);
  require(list && list[0], "no device");
  context_.reset(ibv_open_device(list[0]));
  ibv_free_device_list(list);
  require(context_ != nullptr, "ibv_open_device");
  require(ibv_query_gid(context_.get(), 1, parameters_.gid_index, &gid_) == 0, "ibv_query_gid");
  pd_.reset(ibv_alloc_pd(context_.get()));
  require(pd_ != nullptr, "ibv_alloc_pd");
  if (parameters_.events) channel_.reset(ibv_create_comp_channel(context_.get()));
  const int depth = parameters_.processes * kOperations;
  cq_.reset(ibv_create_cq(context_.get(), depth, nullptr, channel_.get(), 0));
  require(cq_ != nullptr, "ibv_create_cq");
  if (channel_) require(ibv_req_notify_cq(cq_.get(), 0) == 0, "ibv_req_notify_cq");
}

void Worker::allocate() {
  memory_.resize(peers() * kAreas * largest_);
  const int access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ;
  mr_.reset(ibv_reg_mr(pd_.get(), memory_.data(), memory_.size(), access));
  require(mr_ != nullptr, "ibv_reg_mr");
}

Buffers Worker::buffers(size_t peer) {
  char* base = memory_.data() + peer * kAreas * largest_;
  const auto area = [&](size_t index) { return base + index * largest_; };
  return {area(0), area(1), area(2), area(3), area(4), area(5)};
}

void Worker::make_queue_pairs() {
  qps_.resize(peers());
  for (size_t peer = 0; peer < peers(); ++peer) {
    if (self(peer)) continue;
    ibv_qp_init_attr init{};
    init.send_cq = init.recv_cq = cq_.get();
    init.cap = {4, 4, 1, 1, 0};
    init.qp_type = IBV_QPT_RC;
    qps_[peer].reset(ibv_create_qp(pd_.get(), &init));
    require(qps_[peer] != nullptr, "ibv_create_qp");
    ibv_qp_attr attr{};
    attr.qp_state = IBV_QPS_INIT;
    attr.port_num = 1;
    attr.qp_access_flags = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ;
    const int mask = IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS;
    require(ibv_modify_qp(qps_[peer].get(), &attr, mask) == 0, "ibv_modify_qp to INIT");
  }
}

void Worker::connect(size_t peer, const Endpoint& remote) {
  ibv_qp_attr attr{};
  attr.qp_state = IBV_QPS_RTR;
  attr.path_mtu = IBV_MTU_1024;
  attr.dest_qp_num = remote.qpn;
  attr.max_dest_rd_atomic = 4;
  attr.min_rnr_timer = 12;
  attr.ah_attr.is_global = 1;
  attr.ah_attr.port_num = 1;
  attr.ah_attr.grh.dgid = remote.gid;
  attr.ah_attr.grh.sgid_index = static_cast<uint8_t>(parameters_.gid_index);
  attr.ah_attr.grh.hop_limit = 64;
  const int receive = IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                      IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER;
  require(ibv_modify_qp(qps_[peer].get(), &attr, receive) == 0, "ibv_modify_qp to RTR");
  attr.qp_state = IBV_QPS_RTS;
  attr.timeout = 18;
  attr.retry_cnt = 7;
  attr.rnr_retry = 7;
  attr.max_rd_atomic = 4;
  const int send =
      IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC;
  require(ibv_modify_qp(qps_[peer].get(), &attr, send) == 0, "ibv_modify_qp to RTS");
}

void Worker::exchange() {
  std::vector<Endpoint> own(peers());
  for (size_t peer = 0; peer < peers(); ++peer) {
    if (self(peer)) continue;
    const Buffers memory = buffers(peer);
    own[peer] = {qps_[peer]->qp_num, mr_->rkey, reinterpret_cast<uint64_t>(memory.written),
                 reinterpret_cast<uint64_t>(memory.offered), gid_};
  }
  send_all(fd_, own.data(), own.size() * sizeof(Endpoint));
  remote_.resize(peers());
  receive_all(fd_, remote_.data(), remote_.size() * sizeof(Endpoint));
  for (size_t peer = 0; peer < peers(); ++peer) {
    if (!self(peer)) connect(peer, remote_[peer]);
  }
}

void Worker::barrier() {
  send_all(fd_, &kReady, 1);
  char byte = 0;
  receive_all(fd_, &byte, 1);
}

/// All receives stand before anybody sends: the barrier that follows sees to it.
void Worker::prepare(uint32_t size, uint64_t number) {
  for (size_t peer = 0; peer < peers(); ++peer) {
    if (self(peer)) continue;
    const Buffers memory = buffers(peer);
    const int to = static_cast<int>(peer);
    for (char* target : {memory.receive, memory.written, memory.read}) std::memset(target, 0x5a, largest_);
    fill(memory.send, size, rank_, to, Kind::kSend, number);
    fill(memory.write, size, rank_, to, Kind::kWrite, number);
    fill(memory.offered, size, rank_, to, Kind::kRead, number);
    ibv_sge sge{reinterpret_cast<uint64_t>(memory.receive), size, mr_->lkey};
    ibv_recv_wr wr{kReceiveId | peer, nullptr, &sge, 1};
    ibv_recv_wr* bad = nullptr;
    require(ibv_post_recv(qps_[peer].get(), &wr, &bad) == 0, "ibv_post_recv");
  }
}

void Worker::post_one(size_t peer, ibv_wr_opcode opcode, char* local, uint32_t size, uint64_t remote) {
  ibv_sge sge{reinterpret_cast<uint64_t>(local), size, mr_->lkey};
  ibv_send_wr wr{};
  wr.wr_id = peer;
  wr.sg_list = &sge;
  wr.num_sge = 1;
  wr.opcode = opcode;
  wr.send_flags = IBV_SEND_SIGNALED;
  wr.wr.rdma = {remote, remote_[peer].rkey};
  ibv_send_wr* bad = nullptr;
  require(ibv_post_send(qps_[peer].get(), &wr, &bad) == 0, "ibv_post_send");
}

void Worker::post(uint32_t size, size_t peer) {
  const Buffers memory = buffers(peer);
  post_one(peer, IBV_WR_SEND, memory.send, size, 0);
  post_one(peer, IBV_WR_RDMA_WRITE, memory.write, size, remote_[peer].write_address);
  post_one(peer, IBV_WR_RDMA_READ, memory.read, size, remote_[peer].read_address);
}

void Worker::wait_for_event() {
  ibv_cq* cq = nullptr;
  void* context = nullptr;
  require(ibv_get_cq_event(channel_.get(), &cq, &context) == 0, "ibv_get_cq_event");
  ibv_ack_cq_events(cq, 1);
  require(ibv_req_notify_cq(cq, 0) == 0, "ibv_req_notify_cq");
}

void Worker::complete(size_t count) {
  bool armed = false;  // the CQ was armed before the last empty poll
  for (size_t done = 0; done < count;) {
    ibv_wc wc[16];
    const int found = ibv_poll_cq(cq_.get(), 16, wc);
    require(found >= 0, "ibv_poll_cq");
    for (int i = 0; i < found; ++i) {
      require(wc[i].status == IBV_WC_SUCCESS, std::string("completion: ") + ibv_wc_status_str(wc[i].status) +
                                                  ", peer " + std::to_string(wc[i].wr_id & 0xffff));
    }
    done += static_cast<size_t>(found);
    if (found == 0 && channel_ && armed) wait_for_event();
    armed = found == 0;
  }
}

void Worker::expect(const char* found, uint32_t size, int from, int to, Kind kind, uint64_t number) {
  fill(scratch_.data(), size, from, to, kind, number);
  const auto differs = std::mismatch(found, found + size, scratch_.data()).first;
  require(differs == found + size, "wrong data from " + std::to_string(from) + ", kind " +
                                       std::to_string(static_cast<int>(kind)) + ", size " + std::to_string(size) +
                                       ", at byte " + std::to_string(differs - found));
}

void Worker::check(uint32_t size, uint64_t number) {
  for (size_t peer = 0; peer < peers(); ++peer) {
    if (self(peer)) continue;
    const Buffers memory = buffers(peer);
    const int from = static_cast<int>(peer);
    expect(memory.receive, size, from, rank_, Kind::kSend, number);
    expect(memory.written, size, from, rank_, Kind::kWrite, number);
    expect(memory.read, size, from, rank_, Kind::kRead, number);
    require(size == largest_ || memory.written[size] == 0x5a, "a byte behind the message was written");
  }
}

void Worker::step(uint32_t size, uint64_t number) {
  prepare(size, number);
  barrier();
  // Everybody begins with the next rank, so that not all talk to the same one.
  for (size_t i = 1; i < peers(); ++i) post(size, (static_cast<size_t>(rank_) + i) % peers());
  complete((peers() - 1) * kOperations);
  barrier();
  check(size, number);
}

void Worker::run() {
  open();
  allocate();
  make_queue_pairs();
  exchange();
  uint64_t number = 0;
  for (int round = 0; round < parameters_.rounds; ++round) {
    for (const uint32_t size : parameters_.sizes) step(size, ++number);
  }
  barrier();  // nobody goes while somebody may still need an answer
}

}  // namespace

void run_worker(int fd, int rank, const Parameters& parameters) { Worker(fd, rank, parameters).run(); }
