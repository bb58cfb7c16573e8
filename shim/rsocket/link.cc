// SPDX-License-Identifier: BSD-2-Clause
#include "rsocket/link.h"

#include <arpa/inet.h>
#include <endian.h>
#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "rsocket/entry_points.h"

namespace vb::rsocket {

namespace {

constexpr uint32_t kMaxRemoteMaps = 1024;
constexpr int kPollAtOnce = 16;

Error last_error() { return Error{errno ? errno : EIO}; }

}  // namespace

Link::~Link() {
  if (id_ && id_->qp) rdma_destroy_qp(id_);
  if (cq_) {
    ibv_ack_cq_events(cq_, unacknowledged_);
    ibv_destroy_cq(cq_);
  }
  if (channel_) ibv_destroy_comp_channel(channel_);
  if (mr_) ibv_dereg_mr(mr_);
}

Result<void> Link::open(rdma_cm_id* id, const LinkLimits& limits) {
  id_ = id;
  limits_ = limits;
  if (auto made = make_queues(); !made) return made;
  if (auto made = make_memory(); !made) return made;
  return post_receives();
}

Result<void> Link::make_queues() {
  channel_ = ibv_create_comp_channel(id_->verbs);
  if (!channel_) return last_error();
  fcntl(channel_->fd, F_SETFL, O_NONBLOCK);
  uint32_t sends = limits_.send_depth + kControls, receives = limits_.receive_depth + kControlReserve;
  cq_ = ibv_create_cq(id_->verbs, static_cast<int>(sends + receives), nullptr, channel_, 0);
  if (!cq_) return last_error();
  ibv_qp_init_attr attr{};
  attr.send_cq = attr.recv_cq = cq_;
  attr.qp_type = IBV_QPT_RC;
  attr.sq_sig_all = 1;
  attr.cap = {sends, receives, 1, 1, limits_.inline_size};
  return rdma_create_qp(id_, nullptr, &attr) == 0 ? Result<void>() : last_error();
}

Result<void> Link::make_memory() {
  size_t controls = (kControls + limits_.receive_depth + kControlReserve) * sizeof(Control);
  size_t size = controls + limits_.receive_size + limits_.send_size;
  memory_.reset(new (std::nothrow) unsigned char[size]);
  if (!memory_) return Error{ENOMEM};
  mr_ = ibv_reg_mr(id_->pd, memory_.get(), size, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
  if (!mr_) return last_error();
  controls_ = memory_.get();
  ring_ = controls_ + controls;
  send_ring_ = ring_ + limits_.receive_size;
  return {};
}

// --- who is there ------------------------------------------------------------------------------------------------

Hello Link::hello() const {
  return {htonl(kMagic),
          htons(kVersion),
          htons(static_cast<uint16_t>(limits_.receive_depth)),
          htonl(limits_.receive_size),
          htonl(mr_->rkey),
          htobe64(reinterpret_cast<uint64_t>(ring_))};
}

Result<void> Link::check(const void* data, size_t size) {
  Hello hello;
  if (!data || size < sizeof hello) return Error{EPROTO};
  memcpy(&hello, data, sizeof hello);
  bool known = ntohl(hello.magic) == kMagic && ntohs(hello.version) == kVersion;
  return known && hello.ring_size != 0 && hello.messages != 0 ? Result<void>() : Error{EPROTO};
}

void Link::greet(const void* data) {
  Hello hello;
  memcpy(&hello, data, sizeof hello);
  peer_size_ = ntohl(hello.ring_size);
  peer_key_ = ntohl(hello.rkey);
  peer_messages_ = ntohs(hello.messages);
  peer_ring_ = be64toh(hello.ring);
}

// --- completions -------------------------------------------------------------------------------------------------

void Link::post_receive(uint32_t slot) {
  ibv_sge sge{reinterpret_cast<uint64_t>(control_buffer(kControls + slot)), sizeof(Control), mr_->lkey};
  ibv_recv_wr wr{}, *bad;
  wr.wr_id = kIsReceive | slot;
  wr.sg_list = &sge;
  wr.num_sge = 1;
  if (ibv_post_recv(id_->qp, &wr, &bad) != 0) failed_ = true;
}

Result<void> Link::post_receives() {
  for (uint32_t slot = 0; slot < limits_.receive_depth + kControlReserve; ++slot) post_receive(slot);
  return failed_ ? Error{ENOMEM} : Result<void>();
}

bool Link::progress() {
  ibv_cq* cq;
  void* context;
  bool any = false;
  while (armed_ && ibv_get_cq_event(channel_, &cq, &context) == 0) {
    ++unacknowledged_;
    armed_ = false;
    any = true;
  }
  ibv_wc wcs[kPollAtOnce];
  for (int count; (count = ibv_poll_cq(cq_, kPollAtOnce, wcs)) > 0; any = true) {
    for (int i = 0; i < count; ++i) complete(wcs[i]);
  }
  if (tell_due_) tell_progress_if_due();
  return any;
}

void Link::arm() {
  if (std::exchange(armed_, true)) return;
  ibv_req_notify_cq(cq_, 0);
}

void Link::complete(const ibv_wc& wc) {
  if (wc.status != IBV_WC_SUCCESS) {
    failed_ = true;
    return;
  }
  if (wc.wr_id != 0) ++news_;  // 0: a probe's
  if (wc.wr_id & kIsReceive) {
    received(wc);
  } else if (wc.wr_id & kIsControl) {
    --controls_out_;
  } else {
    --sends_out_;
    send_tail_ += wc.wr_id;
  }
}

void Link::received(const ibv_wc& wc) {
  auto slot = static_cast<uint32_t>(wc.wr_id);
  if (wc.opcode == IBV_WC_RECV_RDMA_WITH_IMM) {
    took_data(ntohl(wc.imm_data));
  } else if (wc.byte_len == sizeof(Control)) {
    Control control;
    memcpy(&control, control_buffer(kControls + slot), sizeof control);
    told(control);
  } else {
    failed_ = true;
  }
  post_receive(slot);
}

void Link::took_data(uint32_t size) {
  if (size > limits_.receive_size - readable()) {
    failed_ = true;
    return;
  }
  received_ += size;
  ++taken_;
  tell_progress_if_due();
}

void Link::told(const Control& control) {
  switch (control.tell) {
    case Tell::kRead:
      if (control.bytes_read > sent_ || control.bytes_read < peer_read_ || control.messages_taken > messages_ ||
          control.messages_taken < peer_taken_) {
        failed_ = true;
        return;
      }
      peer_read_ = control.bytes_read;
      peer_taken_ = control.messages_taken;
      return;
    case Tell::kEnd: ended_ = true; return;
    case Tell::kMap:
      if (control.slot >= kMaxRemoteMaps) break;
      if (control.slot >= remote_maps_.size()) remote_maps_.resize(control.slot + 1);
      remote_maps_[control.slot] = control.map;
      return;
  }
  failed_ = true;
}

// --- sending -----------------------------------------------------------------------------------------------------

void Link::post(ibv_send_wr& wr) {
  ibv_send_wr* bad;
  if (ibv_post_send(id_->qp, &wr, &bad) != 0) failed_ = true;
}

void Link::tell(const Control& control) {
  if (failed_) return;
  unsigned char* buffer = control_buffer(static_cast<uint32_t>(next_control_++ % kControls));
  memcpy(buffer, &control, sizeof control);
  ibv_sge sge{reinterpret_cast<uint64_t>(buffer), sizeof control, mr_->lkey};
  ibv_send_wr wr{};
  wr.wr_id = kIsControl;
  wr.sg_list = &sge;
  wr.num_sge = 1;
  wr.opcode = IBV_WR_SEND;
  ++controls_out_;
  post(wr);
}

void Link::probe() {
  if (failed_ || sends_out_ != 0 || controls_out_ != 0 || slots() == 0) return;
  ibv_send_wr wr{};
  wr.opcode = IBV_WR_RDMA_WRITE;
  wr.wr.rdma.remote_addr = peer_ring_;
  wr.wr.rdma.rkey = peer_key_;
  ++sends_out_;
  post(wr);
}

void Link::tell_end() {
  Control control{};
  control.tell = Tell::kEnd;
  tell(control);
}

void Link::tell_map(uint32_t slot, const RemoteMap& map) {
  Control control{};
  control.tell = Tell::kMap;
  control.slot = slot;
  control.map = map;
  tell(control);
}

/// A quarter of the ring, or of the receives: then the sender hears of it, and four such messages at most are under way
/// however little it polls.
void Link::tell_progress_if_due() {
  tell_due_ = read_ - told_read_ >= std::max(limits_.receive_size / 4, 1u) ||
              taken_ - told_taken_ >= std::max(limits_.receive_depth / 4, 1u);
  if (!tell_due_ || !can_tell()) return;
  Control control{};
  control.tell = Tell::kRead;
  control.bytes_read = told_read_ = read_;
  control.messages_taken = told_taken_ = taken_;
  tell_due_ = false;
  tell(control);
}

size_t Link::send_free() const {
  uint64_t free = limits_.send_size - (send_head_ - send_tail_);
  return std::min<uint64_t>(free, limits_.send_size - send_head_ % limits_.send_size);
}

/// Bytes that the next message can carry: of one piece here and there.
size_t Link::room() const {
  if (slots() == 0 || messages_ - peer_taken_ >= peer_messages_) return 0;
  uint64_t there = std::min<uint64_t>(peer_size_ - (sent_ - peer_read_), peer_size_ - sent_ % peer_size_);
  return std::min({static_cast<uint64_t>(send_free()), there, uint64_t{kChunk}});
}

void Link::stage(const void* data, size_t size) { memcpy(send_ring_ + send_head_ % limits_.send_size, data, size); }

void Link::send_staged(ibv_wr_opcode opcode, size_t size, uint64_t address, uint32_t rkey) {
  ibv_sge sge{reinterpret_cast<uint64_t>(send_ring_ + send_head_ % limits_.send_size), static_cast<uint32_t>(size),
              mr_->lkey};
  ibv_send_wr wr{};
  wr.wr_id = size;
  wr.sg_list = &sge;
  wr.num_sge = 1;
  wr.opcode = opcode;
  wr.send_flags = size <= limits_.inline_size ? IBV_SEND_INLINE : 0;
  wr.imm_data = htonl(static_cast<uint32_t>(size));
  wr.wr.rdma.remote_addr = address;
  wr.wr.rdma.rkey = rkey;
  send_head_ += size;
  ++sends_out_;
  post(wr);
}

size_t Link::write_piece(const unsigned char* data, size_t size) {
  size = std::min(size, room());
  if (size == 0 || failed_) return 0;
  stage(data, size);
  send_staged(IBV_WR_RDMA_WRITE_WITH_IMM, size, peer_ring_ + sent_ % peer_size_, peer_key_);
  sent_ += size;
  ++messages_;
  return size;
}

size_t Link::write(Buffers data) {
  size_t total = 0;
  for (size_t i = 0; i < data.count; ++i) {
    auto* base = static_cast<const unsigned char*>(data.list[i].iov_base);
    for (size_t done = 0; done < data.list[i].iov_len;) {
      size_t size = write_piece(base + done, data.list[i].iov_len - done);
      if (size == 0) return total;
      done += size;
      total += size;
    }
  }
  return total;
}

size_t Link::write_mapped(const void* data, size_t size, const RemoteMap& map, uint64_t offset) {
  if (!can_write_mapped()) return 0;
  size = std::min({static_cast<uint64_t>(size), static_cast<uint64_t>(send_free()), uint64_t{kChunk},
                   map.length - (offset - map.offset)});
  stage(data, size);
  send_staged(IBV_WR_RDMA_WRITE, size, map.address + (offset - map.offset), map.rkey);
  return size;
}

// --- receiving ---------------------------------------------------------------------------------------------------

size_t Link::read(Buffers room, bool peek) {
  uint64_t at = read_;
  for (size_t i = 0; i < room.count && at != received_; ++i) {
    auto* out = static_cast<unsigned char*>(room.list[i].iov_base);
    for (size_t left = room.list[i].iov_len; left > 0 && at != received_;) {
      size_t place = at % limits_.receive_size;
      size_t size = std::min({left, static_cast<size_t>(received_ - at), limits_.receive_size - place});
      memcpy(out, ring_ + place, size);
      out += size;
      left -= size;
      at += size;
    }
  }
  size_t total = at - read_;
  if (peek) return total;
  read_ = at;
  tell_progress_if_due();
  return total;
}

}  // namespace vb::rsocket
