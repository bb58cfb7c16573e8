// SPDX-License-Identifier: BSD-2-Clause
#include "wire/packet.h"

#include <algorithm>

namespace vb::wire {

namespace {

bool decode_pieces(Reader& reader, Packet& packet) {
  IndirectHeader indirect;
  if (!reader.take(indirect) || indirect.count == 0 || indirect.count > kMaxPieces) return false;
  if (reader.rest().size() != indirect.count * sizeof(Piece)) return false;
  packet.length = indirect.length;
  packet.piece_count = indirect.count;
  packet.pieces = reader.rest().data();
  uint64_t total = 0;
  for (uint32_t i = 0; i < indirect.count; ++i) {
    Piece piece = packet.piece(i);
    if (piece.length > UINT32_MAX) return false;
    total += piece.length;
  }
  return total == indirect.length;
}

bool decode_payload(Reader& reader, Packet& packet) {
  if (packet.has(kIndirect)) return decode_pieces(reader, packet);
  packet.payload = reader.rest();
  packet.length = static_cast<uint32_t>(packet.payload.size());
  return true;
}

bool decode_rdma(Reader& reader, Packet& packet) {
  if (!reader.take(packet.rdma)) return false;
  if (packet.header.kind == Kind::kWrite) return decode_payload(reader, packet) && packet.length == packet.rdma.length;
  if (packet.has(kIndirect)) return decode_pieces(reader, packet) && packet.length == packet.rdma.length;
  packet.length = packet.rdma.length;
  return reader.rest().empty();
}

bool decode_datagram(Reader& reader, Packet& packet) {
  if (!reader.take(packet.datagram) || packet.has(kIndirect)) return false;
  packet.payload = reader.rest();
  packet.length = packet.datagram.length;
  return packet.length <= kMaxDatagram && packet.payload.size() <= packet.length;
}

bool decode_extension(Reader& reader, Packet& packet) {
  auto kind = static_cast<uint8_t>(packet.header.kind);
  if (!(kind & (kXrc | kDc))) [[likely]]
    return true;
  packet.is_xrc = (kind & kXrc) != 0;
  packet.is_dc = (kind & kDc) != 0;
  packet.header.kind = static_cast<Kind>(kind & ~(kXrc | kDc));
  if (packet.is_xrc && packet.is_dc) return false;
  return packet.is_xrc ? reader.take(packet.xrc) : reader.take(packet.dc);
}

bool decode_body(Reader reader, Packet& packet) {
  if (!decode_extension(reader, packet)) return false;
  switch (packet.header.kind) {
    case Kind::kSend:
    case Kind::kReadResponse: return decode_payload(reader, packet);
    case Kind::kWrite:
    case Kind::kRead: return decode_rdma(reader, packet);
    case Kind::kAtomicWrite:
      return reader.take(packet.rdma) && decode_payload(reader, packet) && packet.length == sizeof(uint64_t) &&
             !packet.has(kIndirect);
    case Kind::kCompareSwap:
    case Kind::kFlush:
    case Kind::kFetchAdd: return reader.take(packet.atomic) && reader.rest().empty();
    case Kind::kMaskedCompareSwap:
    case Kind::kMaskedFetchAdd:
      return reader.take(packet.atomic) && reader.take(packet.mask) && reader.rest().empty() &&
             (packet.atomic.reserved == sizeof(uint32_t) || packet.atomic.reserved == sizeof(uint64_t));
    case Kind::kAtomicResponse: return reader.take(packet.atomic.compare_add) && reader.rest().empty();
    case Kind::kDatagram: return decode_datagram(reader, packet);
    case Kind::kDatagramRest: return !packet.has(kIndirect) && decode_payload(reader, packet);
    case Kind::kAck:
    case Kind::kNak:
    case Kind::kQuiesce:
    case Kind::kQuiesced: return reader.rest().empty();
  }
  return false;
}

/// Member by member: of all at once the compiler makes a slow string instruction.
void clear_body(Packet& packet) {
  packet.is_xrc = packet.is_dc = false;
  packet.xrc = {};
  packet.datagram = {};
  packet.mask = {};
  packet.piece_count = 0;
  packet.length = 0;
  packet.pieces = nullptr;
  packet.payload = {};
}

}  // namespace

bool next_packet(std::span<const unsigned char>& frame, Packet& packet) {
  Reader reader(frame);
  if (!reader.take(packet.header)) return false;
  clear_body(packet);
  size_t size = packet.header.size;
  if (size < sizeof(PacketHeader) || size > frame.size()) return false;
  if (!decode_body(Reader(frame.subspan(sizeof(PacketHeader), size - sizeof(PacketHeader))), packet)) return false;
  packet.source = frame.first(size);
  frame = frame.subspan(std::min(padded(size), frame.size()));
  return true;
}

}  // namespace vb::wire
