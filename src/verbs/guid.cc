// SPDX-License-Identifier: BSD-2-Clause
// Node GUIDs.
#include <endian.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

#include "verbs/device_registry.h"

namespace vb {
namespace {

constexpr unsigned char kLocalBit = 0x02;

uint64_t from_bytes(const unsigned char (&bytes)[8]) {
  uint64_t guid;
  std::memcpy(&guid, bytes, sizeof(guid));
  return guid;
}

/// The modified EUI-64 of a 48-bit address, as the kernel makes node GUIDs of Ethernet devices.
uint64_t from_mac(const std::vector<unsigned char>& mac) {
  return from_bytes(
      {static_cast<unsigned char>(mac[0] ^ kLocalBit), mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]});
}

/// Tells hosts, and the network namespaces of a host, apart.
std::string host_identity() {
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  struct stat network {};
  if (stat("/proc/self/ns/net", &network) == 0) boot += std::to_string(network.st_ino);
  return boot;
}

/// FNV-1a: only has to spread, and to be the same in every process of the host.
uint64_t hash(const std::string& text) {
  uint64_t value = 0xcbf29ce484222325;
  for (const unsigned char byte : text) value = (value ^ byte) * 0x100000001b3;
  return value;
}

}  // namespace

uint64_t make_guid(const Interface& netdev) {
  if (netdev.mac.size() == 6) return from_mac(netdev.mac);
  const uint64_t local = uint64_t{kLocalBit} << 56;
  return htobe64(hash(host_identity() + netdev.name) | local);
}

}  // namespace vb
