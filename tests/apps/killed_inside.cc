// SPDX-License-Identifier: BSD-2-Clause
// A process that dies inside a region of shared memory, while its peer waits there for it: again and again the peer
// process takes the spin lock of the survivor's region, or of its own, and kills itself as soon as it sees somebody
// wait for the lock, or, where that does not come to pass, in a second. The survivor must learn of each death by the
// flush of its receives. Plain libibverbs, but for the lock, which libfabric (1.17) keeps in /dev/shm.
//
//   killed_inside poll|wait ROUNDS    the survivor; prints how many peers saw it wait. 77: another libfabric
#include <fcntl.h>
#include <glob.h>
#include <infiniband/verbs.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr size_t kSize = 64 << 10;  // more than a frame: the survivor moves it through libfabric
constexpr int kDepth = 16;
constexpr auto kPatience = std::chrono::seconds(1);
constexpr int kSocket = 0;  ///< the peer's, to the survivor
constexpr int kUnknownRegion = 77;

void must(bool fine, const char* what) {
  if (fine) return;
  fprintf(stderr, "%d: %s: %s\n", getpid(), what, strerror(errno));
  exit(1);
}

struct Address {
  uint32_t qpn, rkey;
  uint64_t at;
  ibv_gid gid;
};

struct End {
  ibv_context* context;
  ibv_pd* pd;
  ibv_comp_channel* channel;
  ibv_cq* cq;
  std::vector<char> memory = std::vector<char>(kSize);
  ibv_mr* mr;
  ibv_qp* qp = nullptr;

  End() {
    ibv_device** devices = ibv_get_device_list(nullptr);
    must(devices && devices[0], "no device");
    context = ibv_open_device(devices[0]);
    must(context, "ibv_open_device");
    ibv_free_device_list(devices);
    pd = ibv_alloc_pd(context);
    channel = ibv_create_comp_channel(context);
    cq = ibv_create_cq(context, 4 * kDepth, nullptr, channel, 0);
    mr = ibv_reg_mr(pd, memory.data(), kSize, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
    must(cq && mr, "objects");
  }

  Address make_qp() {
    ibv_qp_init_attr init{};
    init.send_cq = init.recv_cq = cq;
    init.qp_type = IBV_QPT_RC;
    init.cap = {kDepth, kDepth, 1, 1, 0};
    qp = ibv_create_qp(pd, &init);
    must(qp, "ibv_create_qp");
    ibv_qp_attr attr{};
    attr.qp_state = IBV_QPS_INIT;
    attr.port_num = 1;
    attr.qp_access_flags = IBV_ACCESS_REMOTE_WRITE;
    must(ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS) == 0, "INIT");
    Address own{qp->qp_num, mr->rkey, reinterpret_cast<uint64_t>(memory.data()), {}};
    must(ibv_query_gid(context, 1, 1, &own.gid) == 0, "ibv_query_gid");
    return own;
  }

  void connect(const Address& peer) {
    ibv_qp_attr attr{};
    attr.qp_state = IBV_QPS_RTR;
    attr.path_mtu = IBV_MTU_1024;
    attr.dest_qp_num = peer.qpn;
    attr.max_dest_rd_atomic = 1;
    attr.min_rnr_timer = 1;
    attr.ah_attr.is_global = 1;
    attr.ah_attr.port_num = 1;
    attr.ah_attr.grh.dgid = peer.gid;
    attr.ah_attr.grh.sgid_index = 1;
    attr.ah_attr.grh.hop_limit = 1;
    must(ibv_modify_qp(qp, &attr,
                       IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                           IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER) == 0,
         "RTR");
    attr.qp_state = IBV_QPS_RTS;
    attr.timeout = 14;
    attr.retry_cnt = 7;
    attr.rnr_retry = 7;
    attr.max_rd_atomic = 1;
    must(ibv_modify_qp(qp, &attr,
                       IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
                           IBV_QP_MAX_QP_RD_ATOMIC) == 0,
         "RTS");
  }

  void post_recv() {
    ibv_sge sge{reinterpret_cast<uint64_t>(memory.data()), 64, mr->lkey};
    ibv_recv_wr wr{0, nullptr, &sge, 1}, *bad;
    must(ibv_post_recv(qp, &wr, &bad) == 0, "ibv_post_recv");
  }
};

void put(int socket, const Address& address) {
  must(write(socket, &address, sizeof address) == sizeof address, "write");
}
Address get(int socket) {
  Address address;
  must(recv(socket, &address, sizeof address, MSG_WAITALL) == sizeof address, "read");
  return address;
}

// --- the peer ----------------------------------------------------------------------------------------------------

/// What the provider keeps at the beginning of a region.
struct Region {
  uint8_t version;
  char unused[23];
  pthread_spinlock_t lock;
  int signal;  ///< 1: the owner has something to do
};

Region* region_of(pid_t process) {
  const std::string pattern = "/dev/shm/verbatim-*-" + std::to_string(process) + "-*";
  glob_t found;
  must(glob(pattern.c_str(), 0, nullptr, &found) == 0 && found.gl_pathc == 1, "no region");
  const int file = open(found.gl_pathv[0], O_RDWR | O_CLOEXEC);
  void* base = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  must(base != MAP_FAILED, "mmap");
  auto* region = static_cast<Region*>(base);
  if (region->version != 4) exit(kUnknownRegion);
  return region;
}

void post_write(End& end, const Address& peer) {
  ibv_sge sge{reinterpret_cast<uint64_t>(end.memory.data()), kSize, end.mr->lkey};
  ibv_send_wr wr{}, *bad;
  wr.sg_list = &sge;
  wr.num_sge = 1;
  wr.opcode = IBV_WR_RDMA_WRITE_WITH_IMM;
  wr.send_flags = IBV_SEND_SIGNALED;
  wr.wr.rdma.remote_addr = peer.at;
  wr.wr.rdma.rkey = peer.rkey;
  must(ibv_post_send(end.qp, &wr, &bad) == 0, "ibv_post_send");
}

[[noreturn]] void die(bool awaited) {
  must(write(kSocket, &awaited, 1) == 1, "write");
  for (;;) kill(getpid(), SIGKILL);
}

/// Holds the lock for some microseconds. Who begins to wait for it takes 1 from it.
void hold(Region& region, bool and_die) {
  pthread_spin_lock(&region.lock);
  region.signal = 1;
  for (int i = 0; i < 200; ++i) {
    if (__atomic_load_n(&region.lock, __ATOMIC_RELAXED) < 0) die(true);
    __builtin_ia32_pause();
  }
  if (and_die) die(false);
  pthread_spin_unlock(&region.lock);
}

[[noreturn]] void be_peer(bool in_survivors_region) {
  End end;
  put(kSocket, end.make_qp());
  const Address survivor = get(kSocket);
  end.connect(survivor);
  post_write(end, survivor);
  Region* region = nullptr;
  auto give_up = std::chrono::steady_clock::time_point::max();
  for (unsigned i = 0;; ++i) {
    ibv_wc wc;
    const int count = ibv_poll_cq(end.cq, 1, &wc);
    must(count >= 0, "ibv_poll_cq");
    must(count == 0 || wc.status == IBV_WC_SUCCESS, ibv_wc_status_str(wc.status));
    if (count == 1) post_write(end, survivor);
    if (count == 1 && !region) {  // the region is in use
      region = region_of(in_survivors_region ? getppid() : getpid());
      give_up = std::chrono::steady_clock::now() + kPatience;
    }
    if (region) hold(*region, std::chrono::steady_clock::now() > give_up);
    if (i % 1024 == 0) sched_yield();
  }
}

// --- the survivor ------------------------------------------------------------------------------------------------

pid_t start_peer(const char* program, bool in_survivors_region, int& socket) {
  int ends[2];
  must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
  const pid_t peer = fork();
  if (peer == 0) {
    dup2(ends[1], kSocket);
    execl(program, program, in_survivors_region ? "peer-there" : "peer-here", nullptr);
    _exit(1);
  }
  close(ends[1]);
  socket = ends[0];
  return peer;
}

/// Serves the peer until its death shows.
void survive(End& end, bool wait) {
  for (;;) {
    must(!wait || ibv_req_notify_cq(end.cq, 0) == 0, "ibv_req_notify_cq");
    ibv_wc wc;
    const int count = ibv_poll_cq(end.cq, 1, &wc);
    must(count >= 0, "ibv_poll_cq");
    if (count == 1) {
      if (wc.qp_num != end.qp->qp_num) continue;  // of the peer before
      if (wc.status == IBV_WC_WR_FLUSH_ERR) return;
      must(wc.status == IBV_WC_SUCCESS, ibv_wc_status_str(wc.status));
      end.post_recv();
    } else if (wait) {
      ibv_cq* cq;
      void* unused;
      must(ibv_get_cq_event(end.channel, &cq, &unused) == 0, "ibv_get_cq_event");
      ibv_ack_cq_events(cq, 1);
    }
  }
}

/// Whether the peer saw somebody wait.
bool round(End& end, const char* program, bool in_survivors_region, bool wait) {
  int socket;
  const pid_t peer = start_peer(program, in_survivors_region, socket);
  const Address own = end.make_qp();
  for (int i = 0; i < kDepth; ++i) end.post_recv();
  const Address other = get(socket);
  end.connect(other);
  put(socket, own);
  survive(end, wait);
  int status = 0;
  must(waitpid(peer, &status, 0) == peer, "waitpid");
  if (WIFEXITED(status) && WEXITSTATUS(status) == kUnknownRegion) exit(kUnknownRegion);
  bool awaited = false;
  must(WIFSIGNALED(status) && read(socket, &awaited, 1) == 1, "the peer failed");
  must(ibv_destroy_qp(end.qp) == 0, "ibv_destroy_qp");
  close(socket);
  return awaited;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string role = argc > 1 ? argv[1] : "";
  if (role.starts_with("peer-")) be_peer(role == "peer-there");
  if (argc != 3) return 2;
  End end;
  int awaited = 0;
  for (int i = 0; i < atoi(argv[2]); ++i) awaited += round(end, argv[0], i % 2 == 0, role == "wait");
  printf("%d of %s peers saw somebody wait\n", awaited, argv[2]);
  return 0;
}
