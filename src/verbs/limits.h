// SPDX-License-Identifier: BSD-2-Clause
// What the virtual device promises (ibv_query_device) and what the create_* calls check. Each limit says who insists.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vb {

// Identity. The vendor id is a locally administered OUI: no vendor has it, so nobody applies a vendor's quirks.
// perftest does not look at the vendor when it looks up the part: for a part that it does not know it disables inline
// sends and the ibv_wr_* API, so this is one (of several) for which it enables both and changes nothing else.
inline constexpr uint32_t kVendorId = 0x025642;
inline constexpr uint32_t kVendorPartId = 4119;
/// The options of enhanced connection establishment (ibv_set_ece). None: two ends agree on all they need by themselves.
inline constexpr uint32_t kEceOptions = 0;
inline constexpr uint32_t kHwVersion = 1;

// Queue pairs. Benchmarks open 16,384; a 24-bit QPN is a process slot and the QP inside it, which allows more slots.
inline constexpr int kMaxQp = 1 << 18;
inline constexpr int kMaxQpWr = 32768;   // perftest doubles its depths up to 32768; storage targets post 16384 receives
inline constexpr int kMaxSge = 30;       // MPI transports and storage stacks ask for at least 16
inline constexpr int kMaxInline = 1024;  // finite: programs double their request until create_qp fails
inline constexpr int kMaxRdAtomic =
    128;  // READs and atomics in flight per QP; 0 breaks both, 16 is the least that is asked

inline constexpr int kMaxDct = 1 << 16;  // DC targets: numbers of the same kind as QPNs

// Completion queues: perftest asks for the sum of the depths of all its QPs, at least 1 Mi.
inline constexpr int kMaxCq = 1 << 18;
inline constexpr int kMaxCqe = 4194304;
inline constexpr int kCompVectors = 8;  // programs with one thread per core spread CQs over the vectors

// Shared receive queues.
inline constexpr int kMaxSrq = 1 << 16;
inline constexpr int kMaxSrqWr = 32768;  // at least 16384
inline constexpr int kMaxSrqSge = kMaxSge;

// Tag matching: the matching list is looked through entry by entry.
inline constexpr uint32_t kMaxTags = 1024;
inline constexpr uint32_t kMaxTagOps = 1024;           // done at once: the number only bounds what a program asks for
inline constexpr uint32_t kMaxRendezvousHeader = 128;  // both headers, and room for a program's own words

// Memory. Page sizes are a mask: every power of two from 4 KiB up, because nothing here depends on pages.
inline constexpr uint64_t kMaxMrSize = ~uint64_t{0};
inline constexpr uint64_t kPageSizeCap = 0xfffffffffffff000;
inline constexpr int kMaxMr = 1 << 22;  // a key names one of 2^24 entries, of which at most half are used
inline constexpr int kMaxMw = 1 << 22;
inline constexpr uint64_t kMaxDmSize = 16 << 20;  ///< device memory for each process, bytes
inline constexpr int kMaxPd = 1 << 18;
inline constexpr uint32_t kMaxMsgSize = uint32_t{1} << 31;  // the InfiniBand maximum; at least 1 GiB is asked for

// Address handles cost memory only.
inline constexpr int kMaxAh = 1 << 24;

/// Completion counters cost their memory only.
inline constexpr uint32_t kMaxCompCntr = 1 << 20;

// Raw packets.
inline constexpr uint32_t kLogMaxRwqIndTable = 12;
inline constexpr uint32_t kMaxRwqIndTables = 1 << 16;
inline constexpr uint32_t kMaxRateLimit = 100'000'000;  // kbit/s
inline constexpr uint64_t kRxHashFields = 0x800001ff;   // IBV_RX_HASH_*: all of them

/// The device's clock, which stamps completions, counts the host's CLOCK_MONOTONIC in nanoseconds.
inline constexpr uint64_t kCoreClockKhz = 1'000'000;

}  // namespace vb
