// SPDX-License-Identifier: BSD-2-Clause
#include "transport/ether_checksum.h"

#include <bit>

namespace vb::ether {
namespace {

/// The one's complement sum of 16-bit words, in the frame's byte order, added to `sum`.
uint64_t add_words(uint64_t sum, const unsigned char* at, size_t size) {
  for (; size >= 4; at += 4, size -= 4) {
    uint32_t word;
    std::memcpy(&word, at, sizeof word);
    sum += word;
  }
  uint32_t rest = 0;
  std::memcpy(&rest, at, size);
  return sum + rest;
}

/// The sum folded to 16 bits, in host byte order.
uint16_t fold(uint64_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  const auto folded = static_cast<uint16_t>(sum);
  return std::endian::native == std::endian::little ? static_cast<uint16_t>(folded << 8 | folded >> 8) : folded;
}

size_t ipv4_header_size(const unsigned char* ip) { return size_t{ip[0] & 0x0fu} * 4; }

/// What stands behind the IP header(s), from `l4` on, without the padding of a short frame. 0: the length is wrong.
size_t l4_size(const Frame& frame) {
  const Layers& layers = frame.outer;
  const unsigned char* end = layers.ip + (layers.ip_version == 4 ? get16(layers.ip + 2) : 40 + get16(layers.ip + 4));
  return layers.l4 && end > layers.l4 && end <= frame.end() ? static_cast<size_t>(end - layers.l4) : 0;
}

/// The sum over the pseudo header, the L4 header and the payload.
uint16_t l4_sum(const Frame& frame, size_t size) {
  const Layers& layers = frame.outer;
  const bool v4 = layers.ip_version == 4;
  uint64_t sum = add_words(0, layers.ip + (v4 ? 12 : 8), v4 ? 8 : 32);
  unsigned char pseudo[8] = {};
  put32(pseudo, static_cast<uint32_t>(size));
  pseudo[7] = layers.protocol;
  sum = add_words(sum, pseudo, sizeof pseudo);
  return fold(add_words(sum, layers.l4, size));
}

bool has_l4_checksum(const Layers& layers) {
  return layers.l4 && !layers.fragment && (layers.protocol == kTcp || layers.protocol == kUdp);
}

/// Of the checksum in the L4 header.
size_t checksum_at(const Layers& layers) { return layers.protocol == kTcp ? 16 : 6; }

}  // namespace

bool checksums_good(const Frame& frame) {
  const Layers& layers = frame.outer;
  if (layers.ip_version == 4 && fold(add_words(0, layers.ip, ipv4_header_size(layers.ip))) != 0xffff) return false;
  if (!has_l4_checksum(layers)) return true;
  const size_t size = l4_size(frame);
  const bool none = layers.protocol == kUdp && layers.ip_version == 4 && get16(layers.l4 + 6) == 0;
  return size != 0 && (none || l4_sum(frame, size) == 0xffff);
}

void complete_checksums(std::span<unsigned char> bytes) {
  Frame frame;
  if (!parse(bytes, frame) || !frame.outer.ip) return;
  const Layers& layers = frame.outer;
  const auto writable = [&](const unsigned char* at) { return bytes.data() + (at - bytes.data()); };
  if (layers.ip_version == 4) {
    unsigned char* ip = writable(layers.ip);
    put16(ip + 10, 0);
    put16(ip + 10, static_cast<uint16_t>(~fold(add_words(0, ip, ipv4_header_size(ip)))));
  }
  const size_t size = has_l4_checksum(layers) ? l4_size(frame) : 0;
  if (size == 0) return;
  unsigned char* field = writable(layers.l4) + checksum_at(layers);
  put16(field, 0);
  const auto sum = static_cast<uint16_t>(~l4_sum(frame, size));
  put16(field, sum == 0 && layers.protocol == kUdp ? 0xffff : sum);
}

bool finish_segment(std::span<unsigned char> bytes, const Segment& segment) {
  constexpr unsigned char kFinish = 0x01, kPush = 0x08, kCongestion = 0x80;
  Frame frame;
  if (!parse(bytes, frame) || !frame.outer.l4 || frame.outer.protocol != kTcp) return false;
  unsigned char* ip = bytes.data() + (frame.outer.ip - bytes.data());
  unsigned char* tcp = bytes.data() + (frame.outer.l4 - bytes.data());
  const auto size = static_cast<uint32_t>(frame.end() - frame.outer.ip);
  if (frame.outer.ip_version == 4) {
    put16(ip + 2, size);
    put16(ip + 4, get16(ip + 4) + segment.number);
  } else {
    put16(ip + 4, size - 40);
  }
  put32(tcp + 4, get32(tcp + 4) + segment.offset);
  if (!segment.last) tcp[13] &= static_cast<unsigned char>(~(kFinish | kPush));
  if (segment.number != 0) tcp[13] &= static_cast<unsigned char>(~kCongestion);
  complete_checksums(bytes);
  return true;
}

}  // namespace vb::ether
