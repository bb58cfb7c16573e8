// SPDX-License-Identifier: BSD-2-Clause
#include "transport/toeplitz.h"

#include <infiniband/verbs.h>

#include <algorithm>

namespace vb {
namespace {

/// The fields of a frame, one behind the other.
class Input {
 public:
  void add(bool wanted, const unsigned char* at, size_t size) {
    if (!wanted) return;
    std::copy_n(at, size, bytes_.begin() + static_cast<ptrdiff_t>(used_));
    used_ += size;
  }
  std::span<const unsigned char> bytes() const { return {bytes_.data(), used_}; }

 private:
  std::array<unsigned char, kToeplitzKey - 4> bytes_{};
  size_t used_ = 0;
};

void add_addresses(Input& input, uint64_t fields, const ether::Layers& layers) {
  if (layers.ip_version == 4) {
    input.add(fields & IBV_RX_HASH_SRC_IPV4, layers.ip + 12, 4);
    input.add(fields & IBV_RX_HASH_DST_IPV4, layers.ip + 16, 4);
  } else if (layers.ip_version == 6) {
    input.add(fields & IBV_RX_HASH_SRC_IPV6, layers.ip + 8, 16);
    input.add(fields & IBV_RX_HASH_DST_IPV6, layers.ip + 24, 16);
  }
}

/// The first fragment has ports, the others have none: all must go the same way.
void add_ports(Input& input, uint64_t fields, const ether::Layers& layers) {
  if (!layers.l4 || layers.fragment) return;
  if (layers.protocol == ether::kTcp) {
    input.add(fields & IBV_RX_HASH_SRC_PORT_TCP, layers.l4, 2);
    input.add(fields & IBV_RX_HASH_DST_PORT_TCP, layers.l4 + 2, 2);
  } else if (layers.protocol == ether::kUdp) {
    input.add(fields & IBV_RX_HASH_SRC_PORT_UDP, layers.l4, 2);
    input.add(fields & IBV_RX_HASH_DST_PORT_UDP, layers.l4 + 2, 2);
  } else if (layers.protocol == ether::kEsp) {
    input.add((fields & IBV_RX_HASH_IPSEC_SPI) && !layers.fragment, layers.l4, 4);
  }
}

}  // namespace

uint32_t toeplitz(const std::array<unsigned char, kToeplitzKey>& key, std::span<const unsigned char> bytes) {
  uint32_t hash = 0;
  uint32_t window = ether::get32(key.data());
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int bit = 7; bit >= 0; --bit) {
      if (bytes[i] >> bit & 1) hash ^= window;
      window = window << 1 | (key[i + 4] >> bit & 1);
    }
  }
  return hash;
}

uint32_t receive_hash(const std::array<unsigned char, kToeplitzKey>& key, uint64_t fields, const ether::Frame& frame) {
  const ether::Layers& layers = fields & IBV_RX_HASH_INNER ? frame.inner : frame.outer;
  Input input;
  add_addresses(input, fields, layers);
  add_ports(input, fields, layers);
  return toeplitz(key, input.bytes());
}

}  // namespace vb
