// SPDX-License-Identifier: BSD-2-Clause
// Raw Ethernet frames in one burst, each with its number in it: plain libibverbs, the system's at link time.
//   raw_burst send DEVICE FROM TO COUNT SIZE       sends them, and says so when all have completed
//   raw_burst receive DEVICE FROM TO COUNT SIZE    says `ready` when COUNT receives are posted. A number on the
//   standard
//       input is how many frames are to be expected; they are waited for, and what has come is said
#include <arpa/inet.h>
#include <infiniband/verbs.h>
#include <poll.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPatience = std::chrono::seconds(20);
constexpr uint16_t kExperimental = 0x88b5;  // IEEE: local experiments
constexpr size_t kHeader = 14;
constexpr size_t kAddress = 6;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

struct Arguments {
  std::string device;
  unsigned char from[kAddress];
  unsigned char to[kAddress];
  uint32_t count = 0;
  uint32_t size = 0;
};

void parse_address(const char* text, unsigned char* address) {
  unsigned byte[kAddress];
  if (std::sscanf(text, "%x:%x:%x:%x:%x:%x", byte, byte + 1, byte + 2, byte + 3, byte + 4, byte + 5) != kAddress) {
    std::fprintf(stderr, "%s is no address\n", text);
    std::exit(1);
  }
  for (size_t i = 0; i < kAddress; ++i) address[i] = static_cast<unsigned char>(byte[i]);
}

/// A queue pair that is ready to send, with room for all frames, each in its own piece of memory.
class Port {
 public:
  explicit Port(const Arguments& arguments) : arguments_(arguments), memory_(size_t{arguments.count} * arguments.size) {
    context_ = open(arguments.device);
    pd_ = ibv_alloc_pd(context_);
    cq_ = ibv_create_cq(context_, static_cast<int>(arguments.count), nullptr, nullptr, 0);
    if (!pd_ || !cq_) fail("pd, cq");
    mr_ = ibv_reg_mr(pd_, memory_.data(), memory_.size(), IBV_ACCESS_LOCAL_WRITE);
    ibv_qp_init_attr init{};
    init.send_cq = init.recv_cq = cq_;
    init.cap = {arguments.count, arguments.count, 1, 1, 0};
    init.qp_type = IBV_QPT_RAW_PACKET;
    init.sq_sig_all = 1;
    qp_ = ibv_create_qp(pd_, &init);
    if (!mr_ || !qp_) fail("mr, qp");
    for (ibv_qp_state state : {IBV_QPS_INIT, IBV_QPS_RTR, IBV_QPS_RTS}) {
      ibv_qp_attr attr{};
      attr.qp_state = state;
      attr.port_num = 1;
      const int mask = IBV_QP_STATE | (state == IBV_QPS_INIT ? IBV_QP_PORT : 0);
      if ((errno = ibv_modify_qp(qp_, &attr, mask)) != 0) fail("modify_qp");
    }
  }

  void steer() {
    struct {
      ibv_flow_attr attr;
      ibv_flow_spec_eth eth;
    } flow{};
    flow.attr.size = sizeof flow;
    flow.attr.num_of_specs = 1;
    flow.attr.port = 1;
    flow.eth.type = IBV_FLOW_SPEC_ETH;
    flow.eth.size = sizeof flow.eth;
    std::memcpy(flow.eth.val.dst_mac, arguments_.to, kAddress);
    std::memset(flow.eth.mask.dst_mac, 0xff, kAddress);
    flow.eth.val.ether_type = htons(kExperimental);
    flow.eth.mask.ether_type = 0xffff;
    if (!ibv_create_flow(qp_, &flow.attr)) fail("create_flow");
  }

  void post_receives() {
    for (uint32_t i = 0; i < arguments_.count; ++i) {
      ibv_sge sge = piece(i);
      ibv_recv_wr wr{i, nullptr, &sge, 1};
      ibv_recv_wr* bad = nullptr;
      if ((errno = ibv_post_recv(qp_, &wr, &bad)) != 0) fail("post_recv");
    }
  }

  void post_sends() {
    for (uint32_t i = 0; i < arguments_.count; ++i) {
      unsigned char* frame = at(i);
      std::memcpy(frame, arguments_.to, kAddress);
      std::memcpy(frame + kAddress, arguments_.from, kAddress);
      const uint16_t type = htons(kExperimental);
      std::memcpy(frame + 2 * kAddress, &type, sizeof type);
      std::memcpy(frame + kHeader, &i, sizeof i);
      ibv_sge sge = piece(i);
      ibv_send_wr wr{}, *bad = nullptr;
      wr.sg_list = &sge;
      wr.num_sge = 1;
      wr.opcode = IBV_WR_SEND;
      if ((errno = ibv_post_send(qp_, &wr, &bad)) != 0) fail("post_send");
    }
  }

  /// One completion, if there is one: its work request.
  bool poll(uint64_t& id) {
    ibv_wc wc{};
    const int got = ibv_poll_cq(cq_, 1, &wc);
    if (got < 0 || (got == 1 && wc.status != IBV_WC_SUCCESS)) {
      std::fprintf(stderr, "completion with %s\n", ibv_wc_status_str(wc.status));
      std::exit(1);
    }
    id = wc.wr_id;
    return got == 1;
  }

  uint32_t number(uint64_t id) const {
    uint32_t number;
    std::memcpy(&number, memory_.data() + id * arguments_.size + kHeader, sizeof number);
    return number;
  }

 private:
  static ibv_context* open(const std::string& name) {
    int count = 0;
    ibv_device** list = ibv_get_device_list(&count);
    for (int i = 0; i < count; ++i) {
      if (name != ibv_get_device_name(list[i])) continue;
      ibv_context* context = ibv_open_device(list[i]);
      ibv_free_device_list(list);
      return context ? context : (fail("open_device"), nullptr);
    }
    std::fprintf(stderr, "no device %s\n", name.c_str());
    std::exit(1);
  }

  unsigned char* at(uint32_t number) { return memory_.data() + size_t{number} * arguments_.size; }
  ibv_sge piece(uint32_t number) { return {reinterpret_cast<uintptr_t>(at(number)), arguments_.size, mr_->lkey}; }

  const Arguments& arguments_;
  std::vector<unsigned char> memory_;
  ibv_context* context_ = nullptr;
  ibv_pd* pd_ = nullptr;
  ibv_cq* cq_ = nullptr;
  ibv_mr* mr_ = nullptr;
  ibv_qp* qp_ = nullptr;
};

int send(const Arguments& arguments) {
  Port port(arguments);
  port.post_sends();
  uint64_t id;
  for (uint32_t done = 0; done < arguments.count;) done += port.poll(id);
  std::printf("sent %u\n", arguments.count);
  return 0;
}

bool told() {
  pollfd input{0, POLLIN, 0};
  return ::poll(&input, 1, 0) == 1;
}

/// In the order they were sent, some perhaps missing.
int receive(const Arguments& arguments) {
  Port port(arguments);
  port.steer();
  port.post_receives();
  std::puts("ready");
  std::fflush(stdout);
  uint32_t expected = UINT32_MAX, come = 0, next = 0, disordered = 0;
  auto deadline = Clock::time_point::max();
  for (uint32_t looks = 0; come < expected && Clock::now() < deadline; ++looks) {
    if (expected == UINT32_MAX && looks % 1024 == 0 && told()) {
      if (std::scanf("%u", &expected) != 1) return 1;
      deadline = Clock::now() + kPatience;
    }
    uint64_t id;
    if (!port.poll(id)) continue;
    ++come;
    disordered += port.number(id) < next;
    next = port.number(id) + 1;
  }
  std::printf("come %u, out of order %u\n", come, disordered);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) return 2;
  Arguments arguments;
  arguments.device = argv[2];
  parse_address(argv[3], arguments.from);
  parse_address(argv[4], arguments.to);
  arguments.count = static_cast<uint32_t>(std::atoi(argv[5]));
  arguments.size = static_cast<uint32_t>(std::atoi(argv[6]));
  return std::string(argv[1]) == "send" ? send(arguments) : receive(arguments);
}
