// SPDX-License-Identifier: BSD-2-Clause
// The data path's wire format. A frame is one fabric message: a FrameHeader and packets, each at a multiple of 8 bytes.
// Numbers are little-endian (both ends negotiate that when the channel is made); immediate data stays as the program
// wrote it (network byte order).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace vb::wire {

struct FrameHeader {
  uint64_t token;     ///< the receiver's name for the channel: 16 bits index, 48 bits random
  uint32_t sequence;  ///< counts the channel's frames from 0: a gap is a loss, and ends the channel
  uint32_t reserved;
};

enum class Kind : uint8_t {
  kSend = 1,
  kWrite,
  kRead,
  kCompareSwap,
  kFetchAdd,
  kReadResponse,
  kAtomicResponse,
  kAck,
  kNak,
  kQuiesce,       ///< the requester's queue pair stops: let go of its memory
  kQuiesced,      ///< the answer: nothing of this responder touches the requester's memory any more
  kDatagram,      ///< of an unreliable datagram queue pair; there is no answer
  kDatagramRest,  ///< the end of the kDatagram right before it, which did not fit into one frame
  // Further requests.
  kAtomicWrite = 32,
  kFlush,                   ///< answered with an empty kReadResponse
  kMaskedCompareSwap = 40,  ///< a MaskHeader behind the AtomicHeader, whose `reserved` is the operands' width
  kMaskedFetchAdd,
};

/// What a responder answers.
inline constexpr bool is_request(Kind kind) {
  return (kind >= Kind::kSend && kind <= Kind::kFetchAdd) || kind >= Kind::kAtomicWrite;
}

/// A flush says in AtomicHeader::reserved how, in compare_add how many bytes.
enum FlushHow : uint32_t { kFlushVisible = 1, kFlushToStorage = 2, kFlushWholeRegion = 1 << 8 };

enum Flag : uint8_t {
  kAckValid = 1,    ///< `ack` holds
  kImmediate = 2,   ///< `aux` is immediate data
  kInvalidate = 4,  ///< `aux` is an rkey to invalidate
  kSolicited = 8,
  kIndirect = 16,  ///< the payload is not here: Pieces say where it is (or, for a read, where it goes)
};

/// The top bits of the flags count the requester's repetitions; a NAK quotes them, so that a late one is recognised.
inline constexpr uint8_t kRoundMask = 7;
inline constexpr uint8_t round_flags(uint8_t round) { return static_cast<uint8_t>((round & kRoundMask) << 5); }

enum class NakCode : uint8_t {
  kReceiverNotReady = 1,  ///< aux carries the RNR timer code
  kNotConnected,          ///< no such queue pair, or not yet able to receive, or connected elsewhere
  kInvalidRequest,
  kRemoteAccess,
  kRemoteOperation,
};

struct PacketHeader {
  Kind kind;
  uint8_t flags;
  uint16_t size;  ///< of the whole packet, header included, padding excluded
  uint32_t dst_qpn;
  uint32_t src_qpn;
  uint32_t msn;  ///< message sequence number of the request, or of the request answered
  uint32_t ack;  ///< every request before this one is done
  uint32_t aux;
};

/// The top bit of a request's kind: an XrcHeader stands behind the PacketHeader.
inline constexpr uint8_t kXrc = 0x80;

/// Of a request to an XRC target queue pair.
struct XrcHeader {
  uint32_t srqn;    ///< whose memory and receives the request is about
  uint32_t target;  ///< 0, or the target queue pair on whose behalf its process hands the request on
  uint64_t inode;   ///< then: that of the target's domain
};

/// The bit below it, likewise: a DcHeader.
inline constexpr uint8_t kDc = 0x40;

/// Of a request of a DC initiator. Each time it turns to another target it makes a connection, which is one number
/// more; a target keeps nothing of an initiator but where its present connection stands.
struct DcHeader {
  uint64_t key;  ///< the target's
  uint32_t connection;
  uint32_t first_msn;  ///< of the connection
};

inline uint8_t round_of(const PacketHeader& header) { return header.flags >> 5; }

struct RdmaHeader {
  uint64_t address;
  uint32_t rkey;
  uint32_t length;
};

struct AtomicHeader {
  uint64_t address;
  uint32_t rkey;
  uint32_t reserved;
  uint64_t compare_add;
  uint64_t swap;
};

/// Behind the AtomicHeader of a masked atomic.
struct MaskHeader {
  uint64_t compare;  ///< of an addition: the highest bit of each field
  uint64_t swap;
};

/// In front of a datagram's payload.
struct DatagramHeader {
  uint32_t length;  ///< of the whole payload, bytes
  uint32_t qkey;
  uint32_t class_and_flow;  ///< traffic class << 20 | flow label
  uint8_t hop_limit;
  uint8_t reserved[3];
  unsigned char sgid[16];
  unsigned char dgid[16];
};

/// The QPN of a multicast's destination. No queue pair has it.
inline constexpr uint32_t kMulticastQpn = 0xffffff;

/// In front of the packet in a UDP message to a multicast group.
struct MulticastHeader {
  uint32_t magic;
  uint32_t version;
  unsigned char process[16];  ///< who sends: its own queue pairs have the datagram already
};

inline constexpr uint32_t kMulticastMagic = 0x4d304256;  // "VB0M"
inline constexpr uint32_t kMulticastVersion = 1;

/// The largest datagram: the port's MTU, bytes.
inline constexpr uint32_t kMaxDatagram = 4096;

/// In front of the Pieces of an indirect packet.
struct IndirectHeader {
  uint32_t length;  ///< of the message, bytes
  uint32_t count;   ///< of pieces
};

/// A stretch of the requester's memory, as its fabric registration names it.
struct Piece {
  uint64_t address;
  uint64_t key;
  uint64_t length;
};

inline constexpr uint32_t kMaxPieces = 32;

static_assert(sizeof(FrameHeader) == 16 && sizeof(PacketHeader) == 24 && sizeof(RdmaHeader) == 16);
static_assert(sizeof(DatagramHeader) == 48 && sizeof(XrcHeader) == 16 && sizeof(DcHeader) == 16);
static_assert(sizeof(MaskHeader) == 16 && sizeof(AtomicHeader) == 32 && sizeof(IndirectHeader) == 8 &&
              sizeof(Piece) == 24);

inline constexpr size_t padded(size_t size) { return (size + 7) & ~size_t{7}; }

/// Takes a packet apart without trusting it: every take() says whether that much was there.
class Reader {
 public:
  explicit Reader(std::span<const unsigned char> bytes) : rest_(bytes) {}

  template <class T>
  bool take(T& out) {
    if (rest_.size() < sizeof out) return false;
    memcpy(&out, rest_.data(), sizeof out);
    rest_ = rest_.subspan(sizeof out);
    return true;
  }
  std::span<const unsigned char> rest() const { return rest_; }

 private:
  std::span<const unsigned char> rest_;
};

/// A request or answer, decoded. `payload` points into the frame. next_packet() makes one of every packet that comes:
/// it is kept small, what only some kinds have shares its place, and nothing is set twice.
struct Packet {
  PacketHeader header;  ///< its kind without kXrc and kDc
  bool is_xrc;
  bool is_dc;
  union {
    XrcHeader xrc;  ///< if is_xrc
    DcHeader dc;    ///< if is_dc
  };
  union {
    DatagramHeader datagram;
    AtomicHeader atomic;
    RdmaHeader rdma;
  };
  MaskHeader mask;  ///< of masked atomics
  uint32_t length;  ///< of the message's data, wherever that is
  uint32_t piece_count;
  const unsigned char* pieces;  ///< unaligned; read with piece()
  std::span<const unsigned char> payload;
  std::span<const unsigned char> source;  ///< the whole packet as it came

  bool has(Flag flag) const { return (header.flags & flag) != 0; }
  /// A receive WR of its target ends with it.
  bool consumes_receive() const {
    return header.kind == Kind::kSend || (header.kind == Kind::kWrite && has(kImmediate));
  }
  /// Part of a datagram that came in two.
  bool is_fragment() const {
    return header.kind == Kind::kDatagramRest || (header.kind == Kind::kDatagram && payload.size() < datagram.length);
  }
  Piece piece(uint32_t index) const {
    Piece out;
    memcpy(&out, pieces + index * sizeof out, sizeof out);
    return out;
  }
};

/// Takes the next packet off `frame`. False: the frame is malformed, and `packet` is nothing.
bool next_packet(std::span<const unsigned char>& frame, Packet& packet);

}  // namespace vb::wire
