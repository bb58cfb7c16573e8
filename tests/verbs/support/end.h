// SPDX-License-Identifier: BSD-2-Clause
// One end of a connection: everything one side of a test owns, from the open device to its QPs. It lives
// in the test's own process or in the peer process (peer.h); side.h drives both in the same way, so every
// argument and result is a plain value.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/deadline.h"
#include "support/device.h"
#include "support/marshal.h"
#include "support/verbs_ptr.h"
#include "support/wr.h"

namespace vt {

constexpr int kAllAccess =
    IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC;

constexpr uint8_t kTrafficClass = 0x20;  // of every address handle

struct EndOptions {
  ibv_qp_type type = IBV_QPT_RC;
  uint32_t max_send_wr = 64, max_recv_wr = 64, max_sge = 4, max_inline = 0;
  bool sig_all = false;
  bool srq = false;
  uint32_t srq_wr = 64;
  int qps = 1;
  int cqe = 1024;
  uint64_t buffer = 1 << 16;
  int access = kAllAccess;
  int gid_index = -1;  // -1: device.h's choice
  // XRC: an end of type XRC_RECV has a domain and an XRC SRQ in it, whose CQ is recv_cq; with no QPs it is only that.
  char xrc_file[64] = "";  // whose inode the domain belongs to; empty: to none
};

struct Address {
  ibv_gid gid{};
  uint32_t qpn = 0, psn = 0;
  uint64_t buffer = 0, length = 0;
  uint32_t lkey = 0, rkey = 0;

  ibv_sge sge(uint64_t offset, uint64_t size) const { return {buffer + offset, static_cast<uint32_t>(size), lkey}; }
};

struct Link {  // how a QP is connected
  // rxe takes a retry_cnt of 7 for endless, as only an rnr_retry of 7 is.
  uint8_t timeout = 14, retry_cnt = device_is_rxe() ? 6 : 7, rnr_retry = 7, min_rnr_timer = 1;
  uint8_t rd_atomic = 16, dest_rd_atomic = 16;
  int qp_access = kAllAccess;
};

struct Region {
  int id = -1;  // -1: registration failed with `error`
  int error = 0;
  uint64_t addr = 0;
  uint32_t lkey = 0, rkey = 0;
};

struct QpView {
  int rc = 0;
  ibv_qp_attr attr{};
  ibv_qp_init_attr init{};
};

struct AsyncEvent {
  int type = -1;  // ibv_event_type, or -1: none within the time given
  int qp = -1;    // index of the QP it names
  bool srq = false;
};

struct WindowDeleter {
  void operator()(ibv_mw* mw) const { ibv_dealloc_mw(mw); }
};

class End {
 public:
  explicit End(const EndOptions& options);

  // --- connecting (end.cc)
  Address address(int qp);
  int to_init(Link link, int qp);
  int to_rtr(Address peer, Link link, int qp);
  int to_rts(Link link, int qp);
  int connect(Address peer, Link link, int qp);  // all three
  int move(ibv_qp_state state, int qp);
  QpView query(int qp, int mask);
  int destroy_qp(int qp);
  uint32_t srq_number();
  int open_target(uint32_t qpn);  // a further handle of an XRC target, as the next QP; an errno or 0

  // --- work (end.cc)
  PostResult post_send(std::vector<SendWr> requests, int qp);
  PostResult post_recv(std::vector<RecvWr> requests, int qp);  // to the SRQ when there is one
  std::vector<ibv_wc> wait_send(int count);                    // fewer than count: the deadline passed
  std::vector<ibv_wc> wait_recv(int count);
  std::vector<ibv_wc> poll_send();  // what is there now
  std::vector<ibv_wc> poll_recv();
  AsyncEvent wait_event(int milliseconds);
  int set_srq_limit(uint32_t limit);

  // --- datagrams (end_datagram.cc). Address handles are for ibv_send_wr::wr.ud.ah of this end's process.
  int to_datagrams(uint32_t qkey, int qp);  // from RESET to RTS
  uint64_t make_ah(ibv_gid to);
  uint64_t make_ah_in_other_pd(ibv_gid to);
  uint64_t make_ah_from(ibv_wc wc, uint64_t grh_offset);
  void drop_handles();
  int attach(ibv_gid group, int qp);
  int detach(ibv_gid group, int qp);
  uint32_t qkey_violations();

  // --- memory (end_memory.cc)
  Region reg(uint64_t offset, uint64_t length, int access);
  Region reg_iova(uint64_t offset, uint64_t length, uint64_t iova, int access);
  Region reg_in_other_pd(uint64_t offset, uint64_t length, int access);
  Region reg_file(Bytes path, uint64_t length, int access);  // a shared mapping of the file; it stays for good
  int dereg(int id);
  uint32_t window_key();  // of a new memory window of type 2, which is not bound
  void fill(uint64_t offset, uint64_t length, uint64_t seed, uint64_t from);
  int64_t mismatch(uint64_t offset, uint64_t length, uint64_t seed, uint64_t from);  // -1: none
  void store(uint64_t offset, Bytes bytes);
  Bytes load(uint64_t offset, uint64_t length);
  bool spin_on_byte(uint64_t offset, uint8_t value);  // no verbs call meanwhile; false: the deadline passed

  // --- for tests of the end in their own process
  ibv_context* context() { return context_.get(); }
  ibv_pd* pd() { return pd_.get(); }
  ibv_comp_channel* channel() { return channel_.get(); }
  ibv_cq* send_cq() { return send_cq_.get(); }
  ibv_cq* recv_cq() { return recv_cq_.get(); }
  ibv_srq* srq() { return srq_.get(); }
  void adopt(ibv_mr* mr) { regions_.emplace_back(mr); }
  ibv_mw* window() { return windows_.back().get(); }  // the newest
  ibv_qp* qp(int index) { return qps_.at(static_cast<size_t>(index)).get(); }

 private:
  void make_qp();
  void make_xrc_domain();
  Region keep(ibv_mr* mr);
  uint64_t keep(ibv_ah* ah);
  ibv_ah_attr ah_attr(const ibv_gid& to) const;
  int index_of(const ibv_qp* qp) const;

  EndOptions options_;
  Bytes buffer_;  // first: outlives its registrations
  ContextPtr context_;
  PdPtr pd_, other_pd_;
  ChannelPtr channel_;  // of both CQs; nobody is told unless a test arms it
  CqPtr send_cq_, recv_cq_;
  XrcdPtr xrcd_;
  SrqPtr srq_;
  MrPtr mr_;
  std::vector<MrPtr> regions_;
  std::vector<QpPtr> qps_;
  std::vector<AhPtr> handles_;
  std::vector<std::unique_ptr<ibv_mw, WindowDeleter>> windows_;
};

// What a connection needs, with the defaults of this suite.
ibv_qp_attr init_attr(const Link& link);
ibv_qp_attr rtr_attr(const Address& peer, const Link& link, int own_gid_index, ibv_mtu mtu);
ibv_qp_attr rts_attr(uint32_t psn, const Link& link);
int init_mask();
int rtr_mask(ibv_qp_type type);
int rts_mask(ibv_qp_type type);

// Polls until `count` completions are there or the deadline passes.
std::vector<ibv_wc> wait_cq(ibv_cq* cq, int count, Deadline deadline = Deadline());
std::vector<ibv_wc> poll_now(ibv_cq* cq);

}  // namespace vt
