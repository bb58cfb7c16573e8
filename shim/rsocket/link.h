// SPDX-License-Identifier: BSD-2-Clause
// The connection of a stream: an RC queue pair, a byte ring in the receiver's memory that the sender fills by RDMA
// WRITE with immediate data (the number of bytes), and control messages.
//
//   sender's ring, registered  --WRITE with immediate-->  receiver's ring  --copy-->  program
//                              <-----SEND: Control------  what has been read, and how many messages
//
// Every message takes a receive WR of the peer, so the sender counts them as it counts bytes: the receiver never runs
// out. Guarded by the socket's lock. The peer is not trusted: what it claims is checked, and a false claim ends the
// connection.
#pragma once

#include <rdma/rdma_cma.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "rsocket/socket.h"

namespace vb::rsocket {

struct LinkLimits {
  uint32_t receive_size;   ///< bytes
  uint32_t send_size;      ///< bytes
  uint32_t send_depth;     ///< messages
  uint32_t receive_depth;  ///< messages
  uint32_t inline_size;    ///< bytes
  uint32_t io_maps;        ///< buffers of ours that the peer may be told of
};

/// What each side tells the other in the private data of the connection manager. Network byte order.
struct Hello {
  uint32_t magic;
  uint16_t version;
  uint16_t messages;  ///< data messages that may be on their way to the sender of this
  uint32_t ring_size;
  uint32_t rkey;
  uint64_t ring;
};

/// A buffer of the peer's that may be written into, as it announced it.
struct RemoteMap {
  uint64_t offset = 0;  ///< by which riowrite names it
  uint64_t address = 0;
  uint64_t length = 0;
  uint32_t rkey = 0;
};

class Link {
 public:
  Link() = default;
  ~Link();

  /// Makes the queue pair of `id`, which is resolved, or was requested. EINVAL, ENOMEM ... of the verbs beneath.
  Result<void> open(rdma_cm_id* id, const LinkLimits& limits);
  Hello hello() const;
  /// EPROTO: the peer does not speak this protocol.
  static Result<void> check(const void* data, size_t size);
  /// What the peer said, which check() has passed.
  void greet(const void* hello);

  ibv_pd* pd() const { return id_->pd; }
  int event_fd() const { return channel_->fd; }
  bool progress();
  void arm();

  size_t readable() const { return received_ - read_; }
  /// Takes bytes out, or only shows them. Tells the peer when much has been read.
  size_t read(Buffers room, bool peek);
  bool writable() const { return !failed_ && room() != 0; }
  /// Hands on as much as there is room for now.
  size_t write(Buffers data);
  /// One piece of a write into a mapped buffer of the peer's. 0: no room now.
  size_t write_mapped(const void* data, size_t size, const RemoteMap& map, uint64_t offset);
  bool can_write_mapped() const { return !failed_ && slots() != 0 && send_free() != 0; }

  /// Grows with everything that comes, or is known to have arrived, but for probes.
  uint64_t news() const { return news_; }
  /// Writes nothing to the peer, which has to acknowledge it, unless something waits for that already.
  void probe();

  bool can_tell() const { return failed_ || controls_out_ < kControls; }
  /// The end of the stream; announcements of buffers. Only when can_tell().
  void tell_end();
  void tell_map(uint32_t slot, const RemoteMap& map);

  /// The peer has taken everything, or never will.
  bool delivered() const { return failed_ || (sends_out_ == 0 && controls_out_ == 0); }
  bool ended() const { return ended_; }
  bool failed() const { return failed_; }
  const std::vector<RemoteMap>& remote_maps() const { return remote_maps_; }

 private:
  enum class Tell : uint32_t { kRead = 1, kEnd, kMap };

  /// A control message, in host byte order: the engine's peers agree on that.
  struct Control {
    Tell tell;
    uint32_t slot;
    uint64_t bytes_read;
    uint64_t messages_taken;
    RemoteMap map;
  };

  static constexpr uint32_t kMagic = 0x76627273;  // "vbrs"
  static constexpr uint16_t kVersion = 1;
  static constexpr uint32_t kControls = 8;         ///< control messages without a completion
  static constexpr uint32_t kControlReserve = 32;  ///< receives beyond those for data
  static constexpr uint32_t kChunk = 1 << 16;      ///< a message's most: copying and moving overlap
  static constexpr uint64_t kIsControl = uint64_t{1} << 63;
  static constexpr uint64_t kIsReceive = uint64_t{1} << 62;

  Result<void> make_queues();
  Result<void> make_memory();
  Result<void> post_receives();
  void post_receive(uint32_t slot);
  void complete(const ibv_wc& wc);
  void received(const ibv_wc& wc);
  void took_data(uint32_t size);
  void told(const Control& control);
  void tell(const Control& control);
  void tell_progress_if_due();
  void post(ibv_send_wr& wr);
  size_t send_free() const;
  uint32_t slots() const { return limits_.send_depth - sends_out_; }
  size_t room() const;
  void stage(const void* data, size_t size);
  void send_staged(ibv_wr_opcode opcode, size_t size, uint64_t address, uint32_t rkey);
  size_t write_piece(const unsigned char* data, size_t size);
  unsigned char* control_buffer(uint32_t index) const { return controls_ + size_t{index} * sizeof(Control); }

  rdma_cm_id* id_ = nullptr;
  LinkLimits limits_{};
  ibv_comp_channel* channel_ = nullptr;
  ibv_cq* cq_ = nullptr;
  unsigned unacknowledged_ = 0;
  bool armed_ = false;
  bool failed_ = false;
  bool ended_ = false;

  std::unique_ptr<unsigned char[]> memory_;
  ibv_mr* mr_ = nullptr;
  unsigned char* ring_ = nullptr;
  unsigned char* send_ring_ = nullptr;
  unsigned char* controls_ = nullptr;  ///< kControls to send, then one for each receive

  // Positions in the streams, from 0 on; modulo the ring's size they are places.
  uint64_t received_ = 0, read_ = 0, told_read_ = 0;
  uint64_t taken_ = 0, told_taken_ = 0;  ///< messages
  bool tell_due_ = false;
  uint64_t news_ = 0;

  uint32_t peer_size_ = 0, peer_key_ = 0, peer_messages_ = 0;
  uint64_t peer_ring_ = 0;
  uint64_t sent_ = 0, peer_read_ = 0;
  uint64_t messages_ = 0, peer_taken_ = 0;
  uint64_t send_head_ = 0, send_tail_ = 0;  ///< of the send ring
  uint32_t sends_out_ = 0, controls_out_ = 0;
  uint64_t next_control_ = 0;
  std::vector<RemoteMap> remote_maps_;
};

}  // namespace vb::rsocket
