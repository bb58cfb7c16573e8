// SPDX-License-Identifier: BSD-2-Clause
// core_distance CPU CPU: how long a cache line takes from one processor to the other and back, in nanoseconds.
//
// On a virtual machine this changes: the host moves virtual processors between cores with a common cache and cores
// without one, mostly when they wake from idling, and what passes data between two processors is two times faster in
// the one place than in the other. Whoever compares two measurements must know that both had the same place.
#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

constexpr int kBursts = 31;        // the median of these: a burst may be interrupted
constexpr int kRoundTrips = 1000;  // in one burst
constexpr size_t kApart = 128;     // bytes, so that lines are not fetched as a pair

struct Line {
  alignas(kApart) std::atomic<int> turn{0};
};

void pin_to(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) throw std::runtime_error("no such CPU: " + std::to_string(cpu));
}

void answer(Line& line, int count) {
  for (int i = 0; i < count; ++i) {
    while (line.turn.load(std::memory_order_acquire) == 0) {
    }
    line.turn.store(0, std::memory_order_release);
  }
}

double burst_ns(Line& line) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kRoundTrips; ++i) {
    line.turn.store(1, std::memory_order_release);
    while (line.turn.load(std::memory_order_acquire) != 0) {
    }
  }
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count() / kRoundTrips;
}

double distance_ns(int here, int there) {
  static Line line;
  pin_to(there);  // the thread inherits it
  std::thread other([] { answer(line, kBursts * kRoundTrips); });
  pin_to(here);
  std::array<double, kBursts> bursts;
  for (double& burst : bursts) burst = burst_ns(line);
  other.join();
  std::nth_element(bursts.begin(), bursts.begin() + kBursts / 2, bursts.end());
  return bursts[kBursts / 2];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 || std::string(argv[1]) == argv[2]) {
    std::fprintf(stderr, "usage: %s CPU ANOTHER_CPU\n", argv[0]);
    return 2;
  }
  try {
    std::printf("%.0f\n", distance_ns(std::atoi(argv[1]), std::atoi(argv[2])));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "core_distance: %s\n", error.what());
    return 1;
  }
  return 0;
}
