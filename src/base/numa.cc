// SPDX-License-Identifier: BSD-2-Clause
#include "base/numa.h"

#include <dirent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "base/never_destroyed.h"

namespace vb::numa {

namespace {

// Of linux/mempolicy.h, which the C library's own headers do not have.
constexpr int kPreferred = 1;       // MPOL_PREFERRED
constexpr unsigned kMove = 1 << 1;  // MPOL_MF_MOVE
constexpr int kMaxNodes = 1024;
constexpr size_t kBitsOfWord = CHAR_BIT * sizeof(unsigned long);

std::string read_line(const std::string& path) {
  std::unique_ptr<FILE, int (*)(FILE*)> file(fopen(path.c_str(), "re"), fclose);
  char line[4096];
  return file && fgets(line, sizeof line, file.get()) ? line : "";
}

/// The number of a directory entry "node<number>", or -1.
int node_number(const char* name) {
  int number, end = 0;
  return sscanf(name, "node%d%n", &number, &end) == 1 && name[end] == '\0' && number >= 0 ? number : -1;
}

}  // namespace

cpu_set_t parse_cpus(const std::string& list) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  for (const char* at = list.c_str(); *at >= '0' && *at <= '9';) {
    char* end;
    const unsigned long first = strtoul(at, &end, 10);
    const unsigned long last = *end == '-' ? strtoul(end + 1, &end, 10) : first;
    for (unsigned long cpu = first; cpu <= last && cpu < CPU_SETSIZE; ++cpu) CPU_SET(cpu, &cpus);
    at = *end == ',' ? end + 1 : end;
    if (*end != ',') break;
  }
  return cpus;
}

std::string print_cpus(const cpu_set_t& cpus) {
  std::string list;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &cpus)) continue;
    int last = cpu;
    while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, &cpus)) ++last;
    if (!list.empty()) list += ',';
    list += std::to_string(cpu);
    if (last > cpu) list += "-" + std::to_string(last);
    cpu = last;
  }
  return list;
}

Topology::Topology(const std::string& root) {
  if (std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir(root.c_str()), closedir); folder) {
    while (const dirent* entry = readdir(folder.get())) {
      const int node = node_number(entry->d_name);
      if (node >= 0) cpus_[node] = parse_cpus(read_line(root + "/" + entry->d_name + "/cpulist"));
    }
  }
  if (cpus_.empty()) {
    const long last = sysconf(_SC_NPROCESSORS_CONF) - 1;
    cpus_[0] = parse_cpus("0-" + std::to_string(last > 0 ? last : 0));
  }
}

int Topology::node_of(int cpu) const {
  if (cpu < 0 || cpu >= CPU_SETSIZE) return -1;
  for (const auto& [node, cpus] : cpus_) {
    if (CPU_ISSET(cpu, &cpus)) return node;
  }
  return -1;
}

const cpu_set_t* Topology::cpus_of(int node) const {
  const auto found = cpus_.find(node);
  return found == cpus_.end() ? nullptr : &found->second;
}

const Topology& topology() {
  static NeverDestroyed<Topology> machine;
  return *machine;
}

int prefer_node(const void* at, size_t size, int node) {
  if (node < 0 || node >= kMaxNodes) return EINVAL;
  std::array<unsigned long, kMaxNodes / kBitsOfWord> mask{};
  mask[static_cast<size_t>(node) / kBitsOfWord] = 1UL << (static_cast<size_t>(node) % kBitsOfWord);
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(at) & ~(page - 1);
  const uintptr_t length = reinterpret_cast<uintptr_t>(at) + size - begin;
  // The kernel takes one bit less than it is told.
  return syscall(SYS_mbind, begin, length, kPreferred, mask.data(), kMaxNodes + 1UL, kMove) == 0 ? 0 : errno;
}

int node_of_page(const void* at) {
  int node = -1;  // without a list of nodes nothing moves, and nothing is brought in
  const long result = syscall(SYS_move_pages, 0, 1UL, &at, nullptr, &node, 0);
  return result == 0 && node >= 0 ? node : -1;
}

}  // namespace vb::numa
